#include "confab/err.h"

struct err_row {
    const char *word;
    int http_status, close_code;
    const char *sentence;
};

static const struct err_row rows[CONFAB_CODE_COUNT] = {
#define X(name, word, http, close_code, sentence) [CONFAB_##name] = {word, http, close_code, sentence},
    CONFAB_ERR_MAP(X)
#undef X
};

static const struct err_row *row_of(enum confab_code code) { return &rows[(unsigned)code < CONFAB_CODE_COUNT ? code : CONFAB_INTERNAL]; }

const char *confab_err_word(enum confab_code code) { return row_of(code)->word; }
const char *confab_err_sentence(confab_err e) { return e.message ? e.message : row_of(e.code)->sentence; }
int confab_err_http_status(enum confab_code code) { return row_of(code)->http_status; }
int confab_err_close_code(enum confab_code code) { return row_of(code)->close_code; }
