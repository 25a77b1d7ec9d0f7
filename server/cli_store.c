/* confab migrate, backup, restore, check: the database as a whole. */
#include <stdio.h>

#include "cli.h"

int cli_migrate(int argc, char **argv)
{
    struct cli_args args;
    struct cli_session s;
    struct store_schema schema;
    if (!cli_parse(argc, argv, NULL, 0, 0, 0, &args)) return CLI_USAGE;
    if (!cli_session_open(&s, true)) return CLI_FAILED; /* opening migrates */
    confab_err e = store_schema_version(s.store, &schema);
    if (!confab_failed(e))
        (void)printf("%s: schema %lld of %lld\n", s.settings.data, (long long)schema.version, (long long)schema.newest_known);
    cli_session_close(&s);
    return confab_failed(e) ? cli_fail("migrate", e, NULL) : CLI_OK;
}

int cli_backup(int argc, char **argv)
{
    struct cli_args args;
    struct cli_session s;
    struct cli_progress progress;
    buf problem = {0};
    if (!cli_parse(argc, argv, NULL, 0, 1, 1, &args)) return CLI_USAGE;
    if (!cli_session_open(&s, false)) return CLI_FAILED;
    cli_progress_init(&progress, "backup");
    confab_err e = store_backup(s.store, args.positional[0], cli_progress_show, &progress, &problem);
    cli_progress_end(&progress);
    cli_session_close(&s);
    int status = confab_failed(e) ? cli_fail("backup", e, &problem) : CLI_OK;
    if (status == CLI_OK) (void)printf("%s\n", args.positional[0]);
    buf_free(&problem);
    return status;
}

int cli_restore(int argc, char **argv)
{
    struct cli_args args;
    struct settings settings;
    struct cli_progress progress;
    buf problem = {0};
    if (!cli_parse(argc, argv, NULL, 0, 1, 1, &args)) return CLI_USAGE;
    confab_err e = settings_load(&settings, &problem);
    int status = CLI_OK;
    if (!confab_failed(e)) {
        cli_progress_init(&progress, "restore");
        e = store_restore(settings.data, args.positional[0], cli_progress_show, &progress, &problem);
        cli_progress_end(&progress);
    }
    if (confab_failed(e))
        status = cli_fail("restore", e, &problem);
    else
        (void)printf("%s restored into %s, with a new epoch: clients start over\n", args.positional[0], settings.data);
    buf_free(&problem);
    return status;
}

int cli_check(int argc, char **argv)
{
    struct cli_args args;
    struct cli_session s;
    struct cli_progress progress;
    struct store_check_report r = {0};
    buf problem = {0};
    if (!cli_parse(argc, argv, NULL, 0, 0, 0, &args)) return CLI_USAGE;
    if (!cli_session_open(&s, false)) return CLI_FAILED;
    cli_progress_init(&progress, "check");
    confab_err e = store_check(s.store, &r, cli_progress_show, &progress, &problem);
    cli_progress_end(&progress);
    cli_session_close(&s);
    (void)printf("rooms %lld, events %lld, holes %lld, messages that differ from their log %lld, damaged pages or rows %lld\n",
                 (long long)r.rooms, (long long)r.events, (long long)r.holes, (long long)r.view_mismatches, (long long)r.integrity_errors);
    int status = r.holes || r.view_mismatches || r.integrity_errors ? CLI_FAILED : CLI_OK;
    if (confab_failed(e))
        status = cli_fail("check", e, &problem);
    else if (status != CLI_OK)
        cli_complain("check: %s", problem.len ? buf_cstr(&problem) : "the database is damaged");
    buf_free(&problem);
    return status;
}
