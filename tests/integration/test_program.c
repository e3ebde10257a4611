/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole programs in small: a line server over bufferevents, loops that share a pool, thread-style use. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/bridge/bridge_fixture.h"
#include "unit/loop/evthread_fixture.h"

/* A server that answers each line with the line reversed; the reversing is done by a pool. */
struct server {
    via_loop *loop;
    via_executor *pool;
    struct bufferevent *buffer;
    int answered;
};

struct request {
    struct server *server;
    char line[64];
};

static int reverse_line(void *arg, void **result)
{
    struct request *request = arg;
    size_t n = strlen(request->line);
    char *out = malloc(n + 1);
    if (!out)
        return VIA_ENOMEM;
    for (size_t i = 0; i < n; i++)
        out[i] = request->line[n - 1 - i];
    out[n] = '\0';
    *result = out;
    return 0;
}

static int answer(via_future *future, void *arg)
{
    struct request *request = arg;
    struct server *server = request->server;
    void *line = NULL;
    ck_assert_int_eq(via_future_result(future, &line), 0);
    evbuffer_add_printf(bufferevent_get_output(server->buffer), "%s\n", (char *)line);
    server->answered++;
    free(request);
    return 0;
}

static void read_lines(struct bufferevent *buffer, void *arg)
{
    struct server *server = arg;
    char *line;
    while ((line = evbuffer_readln(bufferevent_get_input(buffer), NULL, EVBUFFER_EOL_LF))) {
        struct request *request = malloc(sizeof *request);
        request->server = server;
        snprintf(request->line, sizeof request->line, "%s", line);
        free(line);
        struct via_call call = VIA_CALL(reverse_line, request);
        call.destroy_result = free;
        via_future *future = via_run_in_executor(server->loop, server->pool, &call);
        ck_assert_int_eq(via_future_add_done_callback(future, answer, request), 0);
        via_future_unref(future);
    }
}

static void end_of_client(struct bufferevent *buffer, short what, void *arg)
{
    (void)what;
    (void)arg;
    bufferevent_disable(buffer, EV_READ);
}

static void *be_client(void *arg)
{
    int fd = *(int *)arg;
    char answer[256];
    for (int i = 0; i < 50; i++) {
        char line[32], expected[32];
        int n = snprintf(line, sizeof line, "%04d\n", i);
        snprintf(expected, sizeof expected, "%d%d%d%d\n", i % 10, i / 10 % 10, i / 100 % 10, i / 1000);
        ck_assert_int_eq(write(fd, line, (size_t)n), n);
        int got = 0;
        while (got < n) {
            ssize_t r = read(fd, answer + got, (size_t)(n - got));
            ck_assert_int_gt(r, 0);
            got += (int)r;
        }
        ck_assert_mem_eq(answer, expected, (size_t)n);
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}

static void serve_a_client(struct event_base *base)
{
    int fds[2];
    struct via_test_thread client;
    struct server server = {.pool = open_pool(2)};
    ck_assert_int_eq(via_loop_attach(base, &server.loop), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    evutil_make_socket_nonblocking(fds[0]);
    server.buffer = bufferevent_socket_new(base, fds[0], BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(server.buffer, read_lines, NULL, end_of_client, &server);
    ck_assert_int_eq(bufferevent_enable(server.buffer, EV_READ | EV_WRITE), 0);
    via_test_thread_start(&client, be_client, &fds[1]);
    ck_assert_int_eq(event_base_dispatch(base), 1);
    via_test_thread_join(&client);
    ck_assert_int_eq(server.answered, 50);
    bufferevent_free(server.buffer);
    close(fds[1]);
    close_loop(server.loop);
    close_pool(server.pool);
    event_base_free(base);
}

TEST(a_server_over_bufferevents_answers_from_a_pool)
{
    serve_a_client(event_base_new());
}

TEST(a_server_with_locks_answers_from_a_pool)
{
    use_evthread();
    serve_a_client(event_base_new());
}

TEST(a_server_with_priorities_answers_from_a_pool)
{
    struct event_base *base = event_base_new();
    ck_assert_int_eq(event_base_priority_init(base, 3), 0);
    serve_a_client(base);
}

static struct event_base *base_without(const char *first, const char *second)
{
    struct event_config *config = event_config_new();
    event_config_avoid_method(config, first);
    if (second)
        event_config_avoid_method(config, second);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    ck_assert_ptr_nonnull(base);
    return base;
}

TEST(a_server_over_poll_answers_from_a_pool)
{
    serve_a_client(base_without("epoll", NULL));
}

TEST(a_server_over_select_answers_from_a_pool)
{
    serve_a_client(base_without("epoll", "poll"));
}

/* A loop in a thread of its own that sends calls to a pool which it shares with others. */
struct worker_loop {
    struct via_test_thread thread;
    via_executor *pool;
    via_loop *loop;
    int left;
};

static int send_next(via_future *future, void *arg)
{
    struct worker_loop *self = arg;
    if (future)
        ck_assert_int_eq(via_future_result(future, NULL), 0);
    ck_assert_ptr_eq(via_loop_current(), self->loop);
    if (self->left-- == 0)
        return via_loop_stop(self->loop);
    via_future *next = submit(self->loop, self->pool, give_back, self);
    ck_assert_int_eq(via_future_add_done_callback(next, send_next, self), 0);
    via_future_unref(next);
    return 0;
}

static int send_first(void *arg)
{
    return send_next(NULL, arg);
}

static void *run_worker_loop(void *arg)
{
    struct worker_loop *self = arg;
    self->loop = open_loop();
    ck_assert_int_eq(via_call_soon(self->loop, send_first, self, NULL), 0);
    run(self->loop);
    close_loop(self->loop);
    return NULL;
}

TEST(loops_in_several_threads_share_a_pool)
{
    via_executor *pool = open_pool(2);
    struct worker_loop loops[3];
    for (int i = 0; i < 3; i++) {
        loops[i] = (struct worker_loop){.pool = pool, .left = 100};
        via_test_thread_start(&loops[i].thread, run_worker_loop, &loops[i]);
    }
    for (int i = 0; i < 3; i++)
        via_test_thread_join(&loops[i].thread);
    close_pool(pool);
}

/* A synchronous program that asks a loop in another thread and blocks for the answer. */
struct asked {
    via_loop *loop;
    via_cfuture *answer;
    int number;
};

static int settle_on_loop(via_future *future, void *arg)
{
    struct asked *asked = arg;
    ck_assert_int_eq(via_future_done(future), 1);
    return via_cfuture_set_result(asked->answer, &asked->number, NULL);
}

static int begin_on_loop(void *arg)
{
    struct asked *asked = arg;
    via_future *future = via_to_thread(give_back, asked);
    ck_assert_int_eq(via_future_add_done_callback(future, settle_on_loop, asked), 0);
    via_future_unref(future);
    return 0;
}

static void *run_in_this_thread(void *loop)
{
    return (void *)(intptr_t)via_loop_run_forever(loop);
}

TEST(a_synchronous_program_asks_a_loop_and_waits)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    void *value = NULL;
    via_test_thread_start(&thread, run_in_this_thread, loop);
    for (int i = 0; i < 20; i++) {
        struct asked asked = {loop, NULL, i};
        ck_assert_int_eq(via_cfuture_new(&asked.answer), 0);
        ck_assert_int_eq(via_call_soon_threadsafe(loop, begin_on_loop, &asked, NULL), 0);
        ck_assert_int_eq(via_cfuture_result(asked.answer, via_test_bound_ns(), &value), 0);
        ck_assert_int_eq(*(int *)value, i);
        via_cfuture_unref(asked.answer);
    }
    ck_assert_int_eq(via_call_soon_threadsafe(loop, stop_loop, loop, NULL), 0);
    via_test_thread_join(&thread);
    close_loop(loop);
}

/* A pool worker that blocks for the future of a loop which another thread runs. */
static int wait_for_loop(void *cf, void **result)
{
    return via_cfuture_result(cf, via_test_bound_ns(), result);
}

TEST(a_worker_may_wait_for_a_future_of_the_loop)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    via_cfuture *cf = NULL;
    int number = 5;
    void *value = NULL;
    via_future *source = via_future_new(loop);
    ck_assert_int_eq(via_future_cfuture(source, &cf), 0);
    via_future *call = submit(loop, pool, wait_for_loop, cf);
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(via_future_set_result(source, &number, NULL), 0);
    finish(loop, call);
    ck_assert_int_eq(via_future_result(call, &value), 0);
    ck_assert_ptr_eq(value, &number);
    via_future_unref(call);
    via_cfuture_unref(cf);
    via_future_unref(source);
    close_loop(loop);
    close_pool(pool);
}

/* However long the loop lingers before it sleeps, every call comes back. */
static void make_round_trips(int64_t linger_ns)
{
    struct via_loop_options options;
    via_loop *loop = NULL;
    via_executor *pool = open_pool(1);
    via_loop_options_init(&options);
    options.linger_ns = linger_ns;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), 0);
    for (int i = 0; i < 100; i++) {
        via_future *call = submit(loop, pool, give_back, loop);
        ck_assert_int_eq(via_loop_run_until_complete(loop, call), 0);
        ck_assert_int_eq(status_of(call), 0);
        via_future_unref(call);
    }
    close_loop(loop);
    close_pool(pool);
}

TEST(calls_come_back_with_and_without_lingering)
{
    make_round_trips(0);
    make_round_trips(20 * VIA_US);
    make_round_trips(2 * VIA_MS);
}

struct blocking {
    via_executor *pool;
    int status;
    void *value;
};

static int block_for_a_call(void *arg)
{
    struct blocking *blocking = arg;
    struct via_call call = VIA_CALL(give_back, blocking);
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_executor_submit(blocking->pool, &call, &cf), 0);
    blocking->status = via_cfuture_result(cf, via_test_bound_ns(), &blocking->value);
    via_cfuture_unref(cf);
    return via_loop_stop(via_loop_current());
}

TEST(a_callback_may_block_for_a_call_that_needs_no_loop)
{
    via_loop *loop = open_loop();
    struct blocking blocking = {open_pool(1), 77, NULL};
    ck_assert_int_eq(via_call_soon(loop, block_for_a_call, &blocking, NULL), 0);
    run(loop);
    ck_assert_int_eq(blocking.status, 0);
    ck_assert_ptr_eq(blocking.value, &blocking);
    close_loop(loop);
    close_pool(blocking.pool);
}

TEST_MAIN("integration/program", a_server_over_bufferevents_answers_from_a_pool,
          a_server_with_locks_answers_from_a_pool, a_server_with_priorities_answers_from_a_pool,
          a_server_over_poll_answers_from_a_pool, a_server_over_select_answers_from_a_pool,
          loops_in_several_threads_share_a_pool, a_synchronous_program_asks_a_loop_and_waits,
          a_worker_may_wait_for_a_future_of_the_loop, calls_come_back_with_and_without_lingering,
          a_callback_may_block_for_a_call_that_needs_no_loop)
