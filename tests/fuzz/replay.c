/* Stands in for libFuzzer where there is none: runs the target once on each file, and on each file of each folder, that is named. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    long size = -1;
    if (f && fseek(f, 0, SEEK_END) == 0) size = ftell(f);
    /* Exactly as many bytes as there are, so that a checker sees a read beyond them. */
    uint8_t *data = size >= 0 ? malloc(size ? (size_t)size : 1) : NULL;
    int failed = !data || fseek(f, 0, SEEK_SET) != 0 || fread(data, 1, (size_t)size, f) != (size_t)size;
    if (failed)
        (void)fprintf(stderr, "%s: cannot be read\n", path);
    else
        (void)LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    if (f) (void)fclose(f);
    return failed ? -1 : 1;
}

/* How many files were run; -1 where one could not be read. */
static int replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) return replay_file(path);
    DIR *folder = opendir(path);
    int count = 0;
    for (struct dirent *entry; folder && count >= 0 && (entry = readdir(folder));) {
        char name[4096];
        if (entry->d_name[0] == '.') continue;
        if ((size_t)snprintf(name, sizeof name, "%s/%s", path, entry->d_name) >= sizeof name) return -1;
        count = replay_file(name) < 0 ? -1 : count + 1;
    }
    if (folder) (void)closedir(folder);
    return folder ? count : -1;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') continue; /* an option of libFuzzer */
        int count = replay(argv[i]);
        if (count < 0) return 1;
        total += count;
    }
    (void)printf("%d inputs\n", total);
    return total > 0 ? 0 : 1;
}
