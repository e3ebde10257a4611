/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes a program that fails smaller: a statement is left out, or something about it is made plainer, as long
 * as the program still fails. */
#include "tasks/program.h"

typedef bool (*fails_fn)(const struct program *program);

/* Keeps a change if the program still fails; tells whether it was kept. */
static bool keeps(struct program *program, const struct program *changed, fails_fn fails)
{
    if (!fails(changed))
        return false;
    *program = *changed;
    return true;
}

static bool leave_out(struct program *program, int at, fails_fn fails)
{
    struct program changed = *program;
    changed.statements[at].live = false;
    return keeps(program, &changed, fails);
}

/* Puts its body in the place of a section. */
static bool unwrap(struct program *program, int at, fails_fn fails)
{
    struct program changed = *program;
    struct statement *section = &changed.statements[at];
    if (section->body < 0 || section->operation == OP_TASK || section->operation == OP_GROUP_TASK)
        return false;
    int last = section->body;
    while (changed.statements[last].next >= 0)
        last = changed.statements[last].next;
    changed.statements[last].next = section->next;
    section->next = section->body;
    section->body = -1;
    section->live = false;
    return keeps(program, &changed, fails);
}

static bool make_plain(struct program *program, int at, fails_fn fails)
{
    bool kept = false;
    struct program changed = *program;
    if (changed.statements[at].n > 0) {
        changed.statements[at].n--;
        kept = keeps(program, &changed, fails);
    }
    changed = *program;
    if (changed.statements[at].target_count > 1) {
        changed.statements[at].target_count--;
        kept |= keeps(program, &changed, fails);
    }
    changed = *program;
    if (changed.statements[at].leaves) {
        changed.statements[at].leaves = false;
        kept |= keeps(program, &changed, fails);
    }
    return kept;
}

void shrink(struct program *program, fails_fn fails)
{
    bool smaller = true;
    while (smaller) {
        smaller = false;
        for (int at = program->count - 1; at >= 0; at--) {
            if (program->statements[at].live)
                smaller |= leave_out(program, at, fails) || unwrap(program, at, fails) ||
                           make_plain(program, at, fails);
        }
    }
}
