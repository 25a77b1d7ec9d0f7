/* Accounts as their owner and the admins see them, and the audit log. */
#include "chat_internal.h"

static confab_err answer_user(struct turn *t, int64_t id)
{
    t->r->result.kind = CHAT_RESULT_USER;
    return store_user_get(t->tx, id, &t->r->result.user);
}

static confab_err check_display_name(span name) { return field_check_line(name, 0, DISPLAY_MAX, "display_name"); }

confab_err user_get_me(struct turn *t)
{
    if (t->me.id == 0) return confab_fail(CONFAB_USER_NOT_FOUND);
    t->r->result.kind = CHAT_RESULT_USER;
    t->r->result.user = t->me;
    return confab_ok();
}

/* An empty display name is the wish to go by one's user id. */
static span display_or_name(span display_name, const struct user *u)
{
    return display_name.p && display_name.n == 0 ? span_of(u->name) : display_name;
}

confab_err user_update_me(struct turn *t)
{
    if (t->me.id == 0) return confab_fail(CONFAB_USER_NOT_FOUND);
    struct user_patch patch = {.display_name = display_or_name(t->r->args.display_name, &t->me), .disabled = -1};
    confab_err e = check_display_name(t->r->args.display_name);
    if (!confab_failed(e) && patch.display_name.p) e = store_user_update(t->tx, t->me.id, &patch);
    return confab_failed(e) ? e : answer_user(t, t->me.id);
}

confab_err user_list(struct turn *t)
{
    struct chat_result *result = &t->r->result;
    size_t limit;
    confab_err e = turn_decide_server(t, POLICY_ADMIN_USERS);
    if (!confab_failed(e)) e = field_take_limit(t->r->args.limit, &limit);
    if (!confab_failed(e))
        e = store_user_list(t->tx, t->r->args.after_name, limit, &t->r->arena, &result->list.users, &result->count, &result->more);
    if (!confab_failed(e)) result->kind = CHAT_RESULT_USERS;
    return e;
}

static confab_err find_target(struct turn *t, struct user *out)
{
    if (!t->r->args.user.p) return confab_fail_field(CONFAB_MISSING_FIELD, "user_id", NULL);
    return store_user_find(t->tx, t->r->args.user, out);
}

confab_err user_get(struct turn *t)
{
    struct user target;
    confab_err e = find_target(t, &target);
    return confab_failed(e) ? e : answer_user(t, target.id);
}

/* ---- What admins do ---- */

static confab_err parse_role(span word, enum user_role *out)
{
    if (word.p && !user_role_parse(word, out))
        return confab_fail_field(CONFAB_INVALID_FIELD, "role", "A role is admin, moderator, member or bot");
    return confab_ok();
}

static confab_err check_new_user(const struct chat_args *args)
{
    if (!args->user.p) return confab_fail_field(CONFAB_MISSING_FIELD, "username", NULL);
    if (!user_name_is_valid(args->user))
        return confab_fail_field(CONFAB_INVALID_FIELD, "username", "1 to 64 printable ASCII characters without space and \"<>&@/:,#%?\\");
    return check_display_name(args->display_name);
}

confab_err user_create(struct turn *t)
{
    const struct chat_args *args = &t->r->args;
    struct user_new in = {.name = args->user, .password_hash = args->new_password, .role = USER_MEMBER};
    char hash[128];
    in.display_name = args->display_name.n ? args->display_name : args->user;
    confab_err e = turn_decide_server(t, POLICY_ADMIN_USERS);
    if (!confab_failed(e)) e = check_new_user(args);
    if (!confab_failed(e) && args->new_password.p) e = field_take_hash(args->new_password, hash);
    if (!confab_failed(e)) e = parse_role(args->role, &in.role);
    if (!confab_failed(e)) e = store_user_create(t->tx, &in, &t->r->result.user);
    if (!confab_failed(e)) e = turn_audit(t, "user_created", args->user, span_of(user_role_word(in.role)));
    t->r->result.kind = CHAT_RESULT_USER;
    t->r->result.created = true;
    return e;
}

/* Somebody must be able to let the others in again. */
static confab_err keep_an_admin(struct turn *t, const struct user *target, const struct user_patch *patch)
{
    bool is_one = target->role == USER_ADMIN && !target->disabled;
    bool stays_one = (patch->role == 0 || patch->role == USER_ADMIN) && patch->disabled != 1;
    if (!is_one || stays_one) return confab_ok();
    int64_t admins = 0;
    confab_err e = store_user_count_admins(t->tx, &admins);
    if (confab_failed(e)) return e;
    return admins > 1 ? confab_ok() : confab_fail_msg(CONFAB_LAST_OWNER, "The last admin cannot go or be demoted");
}

/* All that lets them in: refresh tokens and access tokens. */
static confab_err end_all(struct turn *t, int64_t user_id)
{
    confab_err e = store_session_delete_of_user(t->tx, user_id, 0);
    if (!confab_failed(e)) e = store_user_bump_token_epoch(t->tx, user_id);
    turn_changed(t, user_id, 0);
    return e;
}

static confab_err audit_update(struct turn *t, const struct user *target, const struct user_patch *patch)
{
    buf detail = {0};
    if (patch->role) {
        buf_append_str(&detail, "role ");
        buf_append_str(&detail, user_role_word(patch->role));
    }
    if (patch->disabled != -1) {
        if (detail.len) buf_append_str(&detail, ", ");
        buf_append_str(&detail, patch->disabled ? "disabled" : "enabled");
    }
    if (patch->display_name.p) {
        if (detail.len) buf_append_str(&detail, ", ");
        buf_append_str(&detail, "display name");
    }
    confab_err e = detail.failed ? confab_fail(CONFAB_INTERNAL) : turn_audit(t, "user_updated", span_of(target->name), buf_span(&detail));
    buf_free(&detail);
    return e;
}

/* Applies what differs, with what follows from it. */
static confab_err apply_update(struct turn *t, const struct user *target, const struct user_patch *patch)
{
    confab_err e = keep_an_admin(t, target, patch);
    if (!confab_failed(e)) e = store_user_update(t->tx, target->id, patch);
    if (!confab_failed(e) && patch->disabled == 1) e = end_all(t, target->id);
    if (!confab_failed(e) && (patch->role || patch->disabled != -1)) turn_changed(t, target->id, 0);
    return confab_failed(e) ? e : audit_update(t, target, patch);
}

confab_err user_update(struct turn *t)
{
    const struct chat_args *args = &t->r->args;
    struct user target;
    struct user_patch patch = {.disabled = args->disabled};
    confab_err e = turn_decide_server(t, POLICY_ADMIN_USERS);
    if (!confab_failed(e)) e = check_display_name(args->display_name);
    if (!confab_failed(e)) e = parse_role(args->role, &patch.role);
    if (!confab_failed(e)) e = find_target(t, &target);
    if (confab_failed(e)) return e;
    patch.display_name = display_or_name(args->display_name, &target);
    if (patch.display_name.p && span_is(patch.display_name, target.display_name)) patch.display_name = (span){0};
    if (patch.role == target.role) patch.role = 0;
    if (patch.disabled == (target.disabled ? 1 : 0)) patch.disabled = -1;
    if (patch.role || patch.disabled != -1 || patch.display_name.p) e = apply_update(t, &target, &patch);
    return confab_failed(e) ? e : answer_user(t, target.id);
}

confab_err user_set_password(struct turn *t)
{
    struct user target;
    char hash[128];
    confab_err e = turn_decide_server(t, POLICY_ADMIN_USERS);
    if (!confab_failed(e)) e = field_take_hash(t->r->args.new_password, hash);
    if (!confab_failed(e)) e = find_target(t, &target);
    if (!confab_failed(e)) e = store_user_set_password_hash(t->tx, target.id, hash);
    if (!confab_failed(e)) e = end_all(t, target.id);
    return confab_failed(e) ? e : turn_audit(t, "password_set", span_of(target.name), (span){0});
}

confab_err user_revoke(struct turn *t)
{
    struct user target;
    confab_err e = turn_decide_server(t, POLICY_ADMIN_USERS);
    if (!confab_failed(e)) e = find_target(t, &target);
    if (!confab_failed(e)) e = end_all(t, target.id);
    return confab_failed(e) ? e : turn_audit(t, "user_revoked", span_of(target.name), (span){0});
}

confab_err user_list_audit(struct turn *t)
{
    struct chat_result *result = &t->r->result;
    int64_t before = t->r->args.before == -1 ? 0 : t->r->args.before;
    size_t limit;
    confab_err e = turn_decide_server(t, POLICY_READ_AUDIT);
    if (!confab_failed(e)) e = field_take_limit(t->r->args.limit, &limit);
    if (confab_failed(e)) return e;
    if (before < 0 || t->r->args.before == 0) return confab_fail_field(CONFAB_INVALID_FIELD, "before", "A cursor is an id");
    e = store_audit_list(t->tx, before, limit, &t->r->arena, &result->list.audits, &result->count, &result->more);
    if (!confab_failed(e)) result->kind = CHAT_RESULT_AUDIT;
    return e;
}
