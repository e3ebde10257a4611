/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <viaduct/coro.h>
#include <viaduct/error.h>

#include "base/log.h"
#include "coro/ends.h"
#include "coro/fiber.h"

// How many yields of a coroutine that is being closed are refused before it is taken to be deaf.
#define REFUSALS 1000

struct via_coro {
    struct via__fiber fiber;
    via_coro_fn fn;
    void *arg;
    void (*destroy)(void *arg);
    void (*destroy_result)(void *result);
    void *passing; // on its way out of a yield, or into one
    int thrown;    // what the yield is to return
    int closing;
    int has_returned;
    int refused; // yields that failed since it is being closed
    int taken;
    struct via__coro_end *ends;
    int status, code; // when it is done
    void *result;
    char name[];
};

static void run(struct via__fiber *fiber);
static void lost(struct via__fiber *fiber);
static const char *name_of(const struct via__fiber *fiber, char buffer[VIA__FIBER_NAME]);

// Debuggers know it by this name.
static const struct via__fiber_kind via__coro_kind = {.run = run, .lost = lost, .name = name_of};

static via_coro *coro_of(struct via__fiber *fiber)
{
    return VIA__CONTAINER_OF(fiber, via_coro, fiber);
}

static const char *name_of(const struct via__fiber *fiber, char buffer[VIA__FIBER_NAME])
{
    (void)buffer;
    return VIA__CONTAINER_OF(fiber, const via_coro, fiber)->name;
}

static void release_arg(via_coro *coro)
{
    void (*destroy)(void *arg) = coro->destroy;
    coro->destroy = NULL;
    if (destroy)
        destroy(coro->arg);
}

static void drop_result(via_coro *coro)
{
    void *result = coro->result;
    coro->result = NULL;
    if (result && coro->destroy_result)
        coro->destroy_result(result);
}

// Its function has returned this.
static void note_return(via_coro *coro, int returned)
{
    const struct via__failure *failure = &coro->fiber.failure;
    coro->status = returned > 0 ? VIA_EFAILED : returned;
    coro->code = returned > 0 ? returned : returned == VIA_EFAILED && failure->given ? failure->code : 0;
}

static void drop_message(via_coro *coro)
{
    free(coro->fiber.failure.message);
    coro->fiber.failure.message = NULL;
}

static void run(struct via__fiber *fiber)
{
    via_coro *coro = coro_of(fiber);
    note_return(coro, coro->fn(coro->arg, &coro->result));
    coro->has_returned = 1;
}

static void tell_ends(via_coro *coro)
{
    struct via__coro_end *end;
    while ((end = coro->ends)) {
        coro->ends = end->next;
        end->fn(end, coro->has_returned);
    }
}

static void clean_up(via_coro *coro)
{
    if (coro->ends)
        tell_ends(coro);
    if (coro->status != 0)
        drop_result(coro);
    if (coro->status != VIA_EFAILED)
        drop_message(coro);
    release_arg(coro);
}

static void lost(struct via__fiber *fiber)
{
    via_coro *coro = coro_of(fiber);
    coro->status = VIA_EEXITED;
    clean_up(coro);
}

// A coroutine that has not begun, or does not listen, is done with a status.
static void end_without_running(via_coro *coro, int status)
{
    via__fiber_drop(&coro->fiber);
    coro->status = status;
    clean_up(coro);
}

static via_coro *allocate(const struct via_coro_options *options)
{
    const char *name = options->name ? options->name : "coroutine";
    size_t bytes = strlen(name) + 1;
    via_coro *coro = malloc(sizeof *coro + bytes);
    if (coro)
        memcpy(coro->name, name, bytes);
    return coro;
}

static int make(via_coro_fn fn, void *arg, const struct via_coro_options *options, via_coro **coro)
{
    if (!fn || !coro)
        return VIA_EINVAL;
    via_coro *made = allocate(options);
    if (!made)
        return VIA_ENOMEM;
    int status = via__fiber_init(&made->fiber, &via__coro_kind, options->stack_bytes);
    if (status < 0) {
        free(made);
        return status;
    }
    made->fn = fn;
    made->arg = arg;
    made->destroy = options->destroy;
    made->destroy_result = options->destroy_result;
    made->passing = made->result = NULL;
    made->thrown = made->closing = made->refused = made->taken = made->status = made->code = 0;
    made->ends = NULL;
    made->has_returned = 0;
    *coro = made;
    return 0;
}

int via_coro_new(via_coro_fn fn, void *arg, const struct via_coro_options *options, via_coro **coro)
{
    static const struct via_coro_options plain;
    if (!options)
        options = &plain;
    int status = make(fn, arg, options, coro);
    if (status < 0 && options->destroy)
        options->destroy(arg);
    return status;
}

static int is_done(const via_coro *coro)
{
    return coro->fiber.state == VIA__FIBER_OVER;
}

// One that is done has nothing any more that belongs to a thread.
static int is_foreign(const via_coro *coro)
{
    return coro->fiber.thread != via__fiber_self.thread && !is_done(coro);
}

// Whether it can be stepped: 0 or a negative status.
static int check_step(const via_coro *coro)
{
    if (!coro)
        return VIA_EINVAL;
    if (is_foreign(coro))
        return VIA_EFOREIGN;
    int status = via__fiber_settle();
    if (status < 0)
        return status;
    return coro->fiber.state == VIA__FIBER_RUNNING ? VIA_EBUSY : 0;
}

// 1 if it has yielded, else the status with which it is done.  This and what leads here is in line: after a
// switch a processor guesses the returns of functions wrongly that were called before it.
__attribute__((always_inline)) static inline int resume(via_coro *coro)
{
    via__fiber_resume(&coro->fiber);
    if (!is_done(coro))
        return 1;
    clean_up(coro);
    return coro->status;
}

__attribute__((always_inline)) static inline int step(via_coro *coro, int thrown, void *sent, void **value)
{
    int status = check_step(coro);
    if (status < 0)
        return status;
    if (is_done(coro))
        return thrown;
    if (coro->fiber.state == VIA__FIBER_NEW && thrown < 0) {
        end_without_running(coro, thrown);
        return thrown;
    }
    if (coro->fiber.state == VIA__FIBER_NEW && sent)
        return VIA_ESTATE;
    coro->thrown = thrown;
    coro->passing = sent;
    status = resume(coro);
    if (status == 1 && value)
        *value = coro->passing;
    return status;
}

int via_coro_next(via_coro *coro, void **value)
{
    return step(coro, 0, NULL, value);
}

int via_coro_send(via_coro *coro, void *sent, void **value)
{
    return step(coro, 0, sent, value);
}

int via_coro_throw(via_coro *coro, int status, void **value)
{
    return status < 0 ? step(coro, status, NULL, value) : VIA_EINVAL;
}

// Whether a coroutine that ends with this has just done what it was asked to.
static int is_end_of_closing(int status)
{
    return status == 0 || status == VIA_ECANCELED || status == VIA_EABORTED;
}

int via_coro_close(via_coro *coro)
{
    int status = check_step(coro);
    if (status < 0 || is_done(coro))
        return status;
    if (coro->fiber.state == VIA__FIBER_NEW) {
        end_without_running(coro, VIA_ECANCELED);
        return 0;
    }
    coro->closing = 1;
    coro->refused = 0;
    status = resume(coro);
    if (status == 1)
        return VIA_ESTATE;
    return is_end_of_closing(status) ? 0 : status;
}

via_coro *via_coro_free(via_coro *coro)
{
    if (!coro || check_step(coro) < 0)
        return coro;
    (void)via_coro_close(coro);
    if (!is_done(coro)) {
        via__log(VIA_LOG_WARNING, "coroutine \"%s\" goes on yielding though it is closed; its stack is lost",
                 coro->name);
        end_without_running(coro, VIA_ECANCELED);
    }
    drop_result(coro);
    drop_message(coro);
    free(coro);
    return NULL;
}

static via_coro *running(void)
{
    if (via__fiber_settle() < 0)
        return NULL;
    struct via__fiber *fiber = via__fiber_self.current;
    return fiber && fiber->kind == &via__coro_kind ? coro_of(fiber) : NULL;
}

struct via__coro_end **via__coro_ends(void)
{
    via_coro *coro = running();
    return coro ? &coro->ends : NULL;
}

via_coro *via_coro_current(void)
{
    return running();
}

int via_coro_yield(void *value, void **sent)
{
    via_coro *coro = running();
    if (!coro || !via__fiber_may_suspend())
        return VIA_ESTATE;
    if (coro->closing && coro->refused++ < REFUSALS)
        return VIA_ECANCELED;
    coro->passing = value;
    via__fiber_suspend();
    if (coro->closing)
        return VIA_ECANCELED;
    if (coro->thrown < 0)
        return coro->thrown;
    if (sent)
        *sent = coro->passing;
    return 0;
}

// The yield of the outer coroutine has failed: the inner one is told.
static int delegate_failure(via_coro *inner, int status, void **value)
{
    if (!running()->closing)
        return via_coro_throw(inner, status, value);
    int closed = via_coro_close(inner);
    return closed < 0 ? closed : status;
}

int via_coro_yield_from(via_coro *inner, void **result)
{
    void *value, *sent;
    via_coro *self = running();
    if (!self || !via__fiber_may_suspend())
        return VIA_ESTATE;
    int status = via_coro_next(inner, &value);
    while (status == 1) {
        int failed = via_coro_yield(value, &sent);
        status = failed < 0 ? delegate_failure(inner, failed, &value) : via_coro_send(inner, sent, &value);
    }
    if (status == 0 && result)
        *result = inner->result;
    return status;
}

int via_coro_outcome(via_coro *coro, struct via_outcome *outcome)
{
    if (!coro || !outcome)
        return VIA_EINVAL;
    if (is_foreign(coro))
        return VIA_EFOREIGN;
    if (!is_done(coro))
        return VIA_EPENDING;
    *outcome = (struct via_outcome){.status = coro->status,
                                    .code = coro->code,
                                    .value = coro->result,
                                    .destroy = coro->destroy_result,
                                    .message = coro->fiber.failure.message};
    return 0;
}

int via_coro_take(via_coro *coro, void **result)
{
    if (!coro || !result)
        return VIA_EINVAL;
    if (is_foreign(coro))
        return VIA_EFOREIGN;
    if (!is_done(coro))
        return VIA_EPENDING;
    if (coro->status < 0)
        return coro->status;
    if (coro->taken++)
        return VIA_ETAKEN;
    *result = coro->result;
    coro->result = NULL;
    return 0;
}

int via_coro_state(via_coro *coro)
{
    static const int states[] = {[VIA__FIBER_NEW] = VIA_CORO_CREATED,
                                 [VIA__FIBER_SUSPENDED] = VIA_CORO_SUSPENDED,
                                 [VIA__FIBER_RUNNING] = VIA_CORO_RUNNING,
                                 [VIA__FIBER_OVER] = VIA_CORO_DONE};
    if (!coro)
        return VIA_EINVAL;
    return is_foreign(coro) ? VIA_EFOREIGN : states[coro->fiber.state];
}

const char *via_coro_name(const via_coro *coro)
{
    return coro ? coro->name : NULL;
}

void via_coro_trim(void)
{
    if (via__fiber_self.thread)
        via__stacks_trim(&via__fiber_self.thread->stacks);
}
