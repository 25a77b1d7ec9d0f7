/* confab: the program. Commands are rows of one table; help is printed from it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "cli.h"
#include "http.h"

static int print_routes(int argc, char **argv);
static int print_config(int argc, char **argv);
static int print_version(int argc, char **argv);
static int print_help(int argc, char **argv);

static const struct command {
    const char *name, *usage, *help;
    cli_command *run;
} commands[] = {
    {"serve", "serve", "Run the server; everything is configured by CONFAB_ variables, see below", cli_serve},
    {"user",
     "user add NAME... [--role admin|moderator|member|bot] [--no-password | --password-stdin]\n"
     "         user list\n"
     "         user passwd NAME [--password-stdin]\n"
     "         user disable NAME... | user enable NAME...\n"
     "         user role NAME ROLE",
     "Accounts; \"-\" reads names from standard input, one a line", cli_user},
    {"token", "token NAME... [--ttl SECONDS]", "Print an access token (a day by default); \"-\" reads names from standard input",
     cli_token},
    {"migrate", "migrate", "Bring the database to this program's schema; serve does it by itself", cli_migrate},
    {"backup", "backup FILE", "Copy the database, also while the server runs", cli_backup},
    {"restore", "restore FILE", "Put a copy in the database's place; the server must not run", cli_restore},
    {"check", "check", "Look for damage: integrity, holes in the logs, messages that differ from them", cli_check},
    {"import", "import --format irc FILE... --room ROOM", "Read IRC logs into a room; doing it again adds nothing", cli_import},
    {"export", "export ROOM [--format jsonl]", "Print a room's log, one event a line", cli_export},
    {"routes", "routes", "Print what the HTTP server answers, one METHOD PATTERN a line", print_routes},
    {"config", "config", "Print the settings as Markdown (docs/configuration.md)", print_config},
    {"version", "version", "Print the version", print_version},
    {"help", "help", "Print this", print_help},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static int print_buf(buf *b)
{
    bool ok = !b->failed && fwrite(buf_cstr(b), 1, b->len, stdout) == b->len && fflush(stdout) == 0;
    buf_free(b);
    return ok ? CLI_OK : CLI_FAILED;
}

static int print_routes(int argc, char **argv)
{
    struct cli_args args;
    buf out = {0};
    if (!cli_parse(argc, argv, NULL, 0, 0, 0, &args)) return CLI_USAGE;
    http_write_routes(&out);
    return print_buf(&out);
}

static int print_config(int argc, char **argv)
{
    struct cli_args args;
    buf out = {0};
    if (!cli_parse(argc, argv, NULL, 0, 0, 0, &args)) return CLI_USAGE;
    settings_write_markdown(&out);
    return print_buf(&out);
}

static int print_version(int argc, char **argv)
{
    struct cli_args args;
    if (!cli_parse(argc, argv, NULL, 0, 0, 0, &args)) return CLI_USAGE;
    (void)puts("confab " CONFAB_VERSION);
    return CLI_OK;
}

static int print_help(int argc, char **argv)
{
    buf out = {0};
    (void)argc;
    (void)argv;
    buf_append_str(&out, "confab " CONFAB_VERSION ": persistent chat over WebSocket and REST\n\nCommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        buf_printf(&out, "  confab %s\n      %s\n", commands[i].usage, commands[i].help);
    buf_append_str(&out, "\nSettings, from the environment or from the file that CONFAB_CONFIG names:\n");
    settings_write_help(&out);
    return print_buf(&out);
}

static int unknown(const char *word)
{
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i].name;
    const char *near = cli_nearest(word, names, COMMAND_COUNT);
    if (near)
        cli_complain("there is no command %s; did you mean %s?", word, near);
    else
        cli_complain("there is no command %s; see confab help", word);
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "help";
    if (sodium_init() < 0) {
        cli_complain("the system gives no random numbers");
        return CLI_FAILED;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) word = "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) word = "version";
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(word, commands[i].name) != 0) continue;
        for (int a = 2; a < argc; a++) { /* help of one command: its row */
            if (strcmp(argv[a], "--") == 0) break;
            if (strcmp(argv[a], "--help") != 0 && strcmp(argv[a], "-h") != 0) continue;
            (void)printf("confab %s\n    %s\n", commands[i].usage, commands[i].help);
            return CLI_OK;
        }
        int status = commands[i].run(argc > 2 ? argc - 2 : 0, argv + (argc > 2 ? 2 : argc));
        return fflush(stdout) == 0 ? status : CLI_FAILED;
    }
    return unknown(word);
}
