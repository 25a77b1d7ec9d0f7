/* Who is in a room, and as what. */
#include "chat_internal.h"

confab_err member_list(struct turn *t)
{
    struct chat_result *result = &t->r->result;
    size_t limit;
    confab_err e = field_take_limit(t->r->args.limit, &limit);
    if (!confab_failed(e)) e = turn_enter_and_decide(t, POLICY_SEE_ROOM);
    if (!confab_failed(e))
        e = store_member_list(t->tx, t->room->id, t->r->args.after_name, limit, &t->r->arena, &result->list.members, &result->count,
                              &result->more);
    if (!confab_failed(e)) result->kind = CHAT_RESULT_MEMBERS;
    return e;
}

/* The room, the user meant, and their row in it. */
static confab_err reach_member(struct turn *t, struct user *target, struct member *row)
{
    if (!t->r->args.user.p) return confab_fail_field(CONFAB_MISSING_FIELD, "user_id", NULL);
    confab_err e = turn_enter_and_decide(t, POLICY_SEE_ROOM);
    if (!confab_failed(e)) e = store_user_find(t->tx, t->r->args.user, target);
    if (!confab_failed(e)) e = store_member_get(t->tx, t->room->id, target->id, row);
    return e;
}

static confab_err audit_member(struct turn *t, const char *action, const struct user *target, enum member_role role)
{
    buf detail = {0};
    buf_append_str(&detail, t->room->slug);
    if (role != MEMBER_NONE) {
        buf_append_str(&detail, " as ");
        buf_append_str(&detail, member_role_word(role));
    }
    confab_err e = detail.failed ? confab_fail(CONFAB_INTERNAL) : turn_audit(t, action, span_of(target->name), buf_span(&detail));
    buf_free(&detail);
    return e;
}

static confab_err add(struct turn *t, const struct user *target, enum member_role role)
{
    bool own = t->me.id != 0 && target->id == t->me.id;
    struct policy_question q = turn_question(t, own && role == MEMBER_MEMBER ? POLICY_JOIN_ROOM : POLICY_ADD_MEMBER);
    q.own = own;
    q.new_role = role;
    confab_err e = policy_decide(&q);
    if (!confab_failed(e)) e = turn_admit(t, target, role);
    if (!confab_failed(e) && q.action == POLICY_ADD_MEMBER) e = audit_member(t, "member_added", target, role);
    t->r->result.created = true;
    return e;
}

static confab_err keep_an_owner(struct turn *t, const struct member *row)
{
    if (row->role != MEMBER_OWNER) return confab_ok();
    int64_t owners = 0;
    confab_err e = store_member_count_owners(t->tx, t->room->id, &owners);
    if (confab_failed(e)) return e;
    return owners > 1 ? confab_ok() : confab_fail_msg(CONFAB_LAST_OWNER, "The last owner of a room cannot go or be demoted");
}

static confab_err change_role(struct turn *t, const struct user *target, const struct member *row, enum member_role role)
{
    struct policy_question q = turn_question(t, POLICY_SET_MEMBER_ROLE);
    q.own = t->me.id != 0 && target->id == t->me.id;
    q.target_role = row->role;
    q.new_role = role;
    confab_err e = policy_decide(&q);
    if (!confab_failed(e)) e = keep_an_owner(t, row);
    if (!confab_failed(e)) e = store_member_put(t->tx, t->room->id, target->id, role);
    if (!confab_failed(e)) e = turn_append_member(t, EVENT_MEMBER_ROLE_CHANGED, target, role);
    return confab_failed(e) ? e : audit_member(t, "member_role_changed", target, role);
}

confab_err member_put(struct turn *t)
{
    enum member_role wanted = MEMBER_NONE;
    struct user target;
    struct member row;
    if (t->r->args.role.p && !member_role_parse(t->r->args.role, &wanted))
        return confab_fail_field(CONFAB_INVALID_FIELD, "role", "A role is owner, moderator or member");
    confab_err e = reach_member(t, &target, &row);
    if (confab_failed(e)) return e;
    if (row.role == MEMBER_NONE)
        e = add(t, &target, wanted ? wanted : MEMBER_MEMBER);
    else if (wanted && wanted != row.role)
        e = change_role(t, &target, &row, wanted);
    if (!confab_failed(e)) e = store_member_get(t->tx, t->room->id, target.id, &t->r->result.member);
    if (!confab_failed(e)) t->r->result.kind = CHAT_RESULT_MEMBER;
    return e;
}

confab_err member_remove(struct turn *t)
{
    struct user target;
    struct member row;
    confab_err e = reach_member(t, &target, &row);
    if (confab_failed(e)) return e;
    bool own = t->me.id != 0 && target.id == t->me.id;
    if (row.role == MEMBER_NONE)
        return own ? confab_fail(CONFAB_NOT_A_MEMBER) : confab_fail_msg(CONFAB_NOT_FOUND, "This user is not a member of the room");
    struct policy_question q = turn_question(t, POLICY_REMOVE_MEMBER);
    q.own = own;
    q.target_role = row.role;
    e = policy_decide(&q);
    if (!confab_failed(e)) e = keep_an_owner(t, &row);
    if (!confab_failed(e)) e = store_member_remove(t->tx, t->room->id, target.id);
    if (!confab_failed(e)) e = turn_append_member(t, EVENT_MEMBER_LEFT, &target, MEMBER_NONE);
    if (!confab_failed(e) && !own) e = audit_member(t, "member_removed", &target, MEMBER_NONE);
    return e;
}
