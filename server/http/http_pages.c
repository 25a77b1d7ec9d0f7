#include <stdio.h>

#include "confab/embed.h"
#include "http_handler.h"

/* The pages live in the program, sorted by name: a look-up is a binary search for one whole name, so a path out of somewhere cannot
 * even be expressed. */
static const struct embedded_file *find(span name)
{
    size_t low = 0, high = confab_pages_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *at = confab_pages[middle].name;
        size_t n = strlen(at), common = n < name.n ? n : name.n;
        int order = memcmp(name.p, at, common);
        if (order == 0) order = (name.n > n) - (name.n < n);
        if (order == 0) return &confab_pages[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const char *type_of(const char *name)
{
    static const struct {
        const char *suffix, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".webmanifest", "application/manifest+json"},
        {".woff2", "font/woff2"},
    };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(dot, types[i].suffix) == 0) return types[i].type;
    }
    return "application/octet-stream";
}

static void answer_file(struct http_exchange *x, const struct embedded_file *file)
{
    char etag[40];
    if (!file) {
        http_fail(x, CONFAB_NOT_FOUND);
        return;
    }
    x->res->page = true;
    x->res->content_type = type_of(file->name);
    x->res->fixed = (span){(const char *)file->data, file->size};
    x->res->cache_control = "no-cache"; /* may be kept, and is asked for by its tag: a new program shows at the next load */
    (void)snprintf(etag, sizeof etag, "\"%.32s\"", file->sha256); /* 34 characters */
    http_response_revalidate(x->res, http_request_header(x->req, "If-None-Match"), span_of(etag));
}

void http_page_index(struct http_exchange *x) { answer_file(x, find(SPAN_LIT("index.html"))); }
void http_page_setup(struct http_exchange *x) { answer_file(x, find(SPAN_LIT("setup.html"))); }

void http_page_asset(struct http_exchange *x)
{
    const struct embedded_file *file = find(x->params.name);
    const char *dot = file ? strrchr(file->name, '.') : NULL;
    answer_file(x, dot && strcmp(dot, ".html") == 0 ? NULL : file); /* a page has its own address */
}

void http_page_favicon(struct http_exchange *x)
{
    const struct embedded_file *file = find(SPAN_LIT("favicon.svg"));
    if (!file) file = find(SPAN_LIT("icon.svg"));
    if (file)
        answer_file(x, file);
    else
        x->res->status = 204;
}
