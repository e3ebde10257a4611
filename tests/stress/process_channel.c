/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stress of the channel: orders between this process and a forked worker, with everything at random that
 * decides who sleeps when: how many are in flight, how long a call takes, when the program looks, knocks and
 * cancels, and whether the worker lingers.
 *
 * Everything is accounted for: each order has one answer, in order, with its own bytes back; what was certain
 * to be refused is refused.  A lost wake-up stops everything; then the watchdog says in what state.
 *
 *   VIADUCT_STRESS_ORDERS      how many orders; default 300000
 *   VIADUCT_STRESS_TRANSPORT   shared or socket; default both in turn
 *   VIADUCT_STRESS_SEED        which choices; printed
 */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <viaduct.h>

#include "base/cpu.h"
#include "process/channel_kind.h"

enum { DEFAULT_ORDERS = 300000, STALL_SECONDS = 20, LIVES = 4 };

struct stress {
    const char *name;
    int transport;
    struct via__channel *channel;
    struct via__channel_fds fds;
    const struct via__shared_orders *orders; /* NULL over a socket */
    const struct via__shared_answers *answers;
    uint64_t choices;
    pid_t worker;
    int epoll;
    unsigned long pushed, taken, refused, certain, sleeps, knocks;
    unsigned window;
    const char *doing;
    bool is_certain[VIA__CHANNEL_SLOTS];
};

static struct stress *watched;

static uint64_t choose(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static unsigned below(uint64_t *state, unsigned bound)
{
    return (unsigned)((choose(state) >> 33) % bound);
}

static void pause_for(unsigned looks)
{
    while (looks-- > 0)
        via__cpu_relax();
}

/* What an order with a number and an input of eight bytes is answered with. */
static uint64_t answer_to(uint64_t number, uint64_t in)
{
    return number * 3 + in;
}

/* ---- the worker ---- */

static void no_knock(void *arg)
{
    (void)arg;
}

static void serve(struct stress *stress, int64_t linger_ns)
{
    struct via__port *port;
    const struct via__order *order;
    uint64_t choices = stress->choices ^ 0xabcdef;
    if (via__port_open(stress->transport, stress->fds.fds, stress->fds.count, linger_ns, no_knock, NULL,
                       &port) < 0)
        _exit(2);
    while ((order = via__port_next(port))) {
        struct via__answer *answer = via__port_answer(port);
        uint64_t in;
        memset(answer, 0, offsetof(struct via__answer, out));
        memcpy(&in, order->in, sizeof(in));
        if (!via__port_begin(port)) {
            answer->flags = VIA__ANSWER_REFUSED;
        } else {
            in = answer_to(order->number, in);
            memcpy(answer->out, &in, sizeof(in));
            answer->out_bytes = sizeof(in);
            if (below(&choices, 4) == 0)
                pause_for(below(&choices, 200));
        }
        if (via__port_send(port) < 0 || order->kind == VIA__ORDER_END)
            break;
        if (below(&choices, 64) == 0)
            pause_for(below(&choices, 1000));
    }
    _exit(0);
}

/* ---- the program ---- */

/* What is in memory says who waits for whom. */
static void tell_state(void)
{
    const struct stress *stress = watched;
    printf("# %s: %s; pushed %lu, taken %lu, window %u, %lu sleeps; channel: pushed %u, shown %u, taken %u\n",
           stress->name, stress->doing, stress->pushed, stress->taken, stress->window, stress->sleeps,
           stress->channel->pushed, stress->channel->shown, stress->channel->taken);
    if (stress->answers)
        printf("# orders: tail %u, knocks %u, wake %u, arm %u; answers: tail %u, started %u, sleep %u\n",
               atomic_load(&stress->orders->tail), atomic_load(&stress->orders->knocks),
               atomic_load(&stress->orders->wake), atomic_load(&stress->orders->arm),
               atomic_load(&stress->answers->tail), atomic_load(&stress->answers->started),
               atomic_load(&stress->answers->sleep));
    printf("Bail out! the channel does not move any more\n");
    fflush(stdout);
}

/* The process does nothing but wait when this finds it stalled, so it may print. */
static void on_alarm(int signo)
{
    static unsigned long seen;
    unsigned long now = watched->pushed + watched->taken + watched->knocks;
    (void)signo;
    if (now == seen) {
        tell_state();
        kill(watched->worker, SIGKILL);
        _exit(1);
    }
    seen = now;
    alarm(STALL_SECONDS);
}

static int fail(const struct stress *stress, const char *what)
{
    printf("# %s: %s at order %lu of %lu\n", stress->name, what, stress->taken, stress->pushed);
    return -1;
}

/* Maps what the worker will have, to be looked at by the watchdog. */
static void *look_at(int fd, size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static int open_channel(struct stress *stress)
{
    int is_level;
    struct epoll_event event = {.events = EPOLLIN};
    if (via__channel_new(stress->transport, &stress->channel, &stress->fds) < 0 ||
        via__channel_start_at(stress->channel, &stress->fds, (uint32_t)choose(&stress->choices)) < 0)
        return -1;
    if (stress->transport == VIA_TRANSPORT_SHARED) {
        stress->orders = look_at(stress->fds.fds[VIA__SHARED_FD_ORDERS], sizeof(*stress->orders));
        stress->answers = look_at(stress->fds.fds[VIA__SHARED_FD_ANSWERS], sizeof(*stress->answers));
    }
    int fd = via__channel_fd(stress->channel, &is_level);
    event.events |= is_level ? 0 : EPOLLET;
    stress->epoll = epoll_create1(EPOLL_CLOEXEC);
    return epoll_ctl(stress->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int start_worker(struct stress *stress, int64_t linger_ns)
{
    int is_level;
    stress->worker = fork();
    if (stress->worker == 0) {
        alarm(0);
        close(via__channel_fd(stress->channel, &is_level));
        serve(stress, linger_ns);
    }
    for (int i = 0; i < stress->fds.count; i++)
        close(stress->fds.fds[i]);
    return stress->worker < 0 ? -1 : 0;
}

static void push(struct stress *stress, int kind)
{
    struct via__order *order = via__channel_next_order(stress->channel);
    uint64_t in = stress->pushed ^ 0x5555;
    memset(order, 0, offsetof(struct via__order, in));
    order->number = stress->pushed++;
    order->kind = (uint16_t)kind;
    order->in_bytes = sizeof(in);
    memcpy(order->in, &in, sizeof(in));
    stress->is_certain[via__slot_of(via__channel_push(stress->channel))] = false;
}

/* Pushes up to the window, with a flush after each or after all, and in the latter case shows some before. */
static void push_some(struct stress *stress, unsigned long orders)
{
    unsigned way = below(&stress->choices, 8);
    while (stress->pushed < orders && via__channel_pending(stress->channel) < stress->window) {
        push(stress, VIA__ORDER_CALL);
        if (way < 2)
            via__channel_flush(stress->channel);
        else if (way < 4 || (way < 6 && below(&stress->choices, 8) == 0))
            via__channel_show(stress->channel);
    }
    via__channel_flush(stress->channel);
}

static void disturb(struct stress *stress)
{
    uint32_t pending = via__channel_pending(stress->channel);
    unsigned choice = below(&stress->choices, 256);
    if (choice == 0) {
        stress->knocks++;
        via__channel_knock(stress->channel);
    } else if (choice < 8 && pending > 0) {
        uint32_t place = stress->channel->taken + below(&stress->choices, pending);
        if (via__channel_cancel(stress->channel, place)) {
            stress->certain += !stress->is_certain[via__slot_of(place)];
            stress->is_certain[via__slot_of(place)] = true;
        }
    } else if (choice < 32) {
        pause_for(below(&stress->choices, 2000));
    }
}

static int check_answer(struct stress *stress, const struct via__answer *answer)
{
    bool certain = stress->is_certain[via__slot_of(stress->channel->taken - 1)];
    uint64_t number = stress->taken++, out;
    if (answer->flags == VIA__ANSWER_REFUSED) {
        stress->refused++;
        return 0;
    }
    memcpy(&out, answer->out, sizeof(out));
    if (certain)
        return fail(stress, "what was certain not to start has run");
    if (answer->flags != 0 || answer->out_bytes != sizeof(out) || out != answer_to(number, number ^ 0x5555))
        return fail(stress, "a wrong answer");
    return 0;
}

/* Takes what there is: how much; -1 for what must not be. */
static int take_some(struct stress *stress)
{
    struct via__answer answer;
    int taken = 0, got;
    while ((got = via__channel_take(stress->channel, stress->taken, &answer)) > 0) {
        if (check_answer(stress, &answer) < 0)
            return -1;
        taken++;
        if (below(&stress->choices, 16) == 0)
            break; /* and pushes before it goes on */
    }
    if (got < 0)
        return fail(stress, via_status_name(got));
    if (via__channel_started(stress->channel) < 0)
        return fail(stress, "started is out of range");
    return taken;
}

static void sleep_for_answer(struct stress *stress)
{
    struct epoll_event event;
    if (via__channel_arm(stress->channel))
        return;
    stress->sleeps++;
    stress->doing = "sleeping";
    while (epoll_wait(stress->epoll, &event, 1, -1) < 0 && errno == EINTR)
        continue;
    stress->doing = "running";
}

static int run_orders(struct stress *stress, unsigned long orders)
{
    static const unsigned windows[] = {1, 1, 1, 2, 3, 8, 16, 64, VIA__CHANNEL_SLOTS};
    unsigned long window_until = 0;
    while (stress->taken < orders) {
        if (stress->taken >= window_until) {
            stress->window = windows[below(&stress->choices, sizeof(windows) / sizeof(windows[0]))];
            window_until = stress->taken + stress->window * (10 + below(&stress->choices, 500));
        }
        push_some(stress, orders);
        disturb(stress);
        int taken = take_some(stress);
        if (taken < 0)
            return -1;
        if (taken == 0 && stress->taken < stress->pushed)
            sleep_for_answer(stress);
    }
    return 0;
}

/* Gives the channel up, at which the worker ends. */
static int close_channel(struct stress *stress, int status)
{
    int ended = 0;
    via__channel_free(stress->channel);
    if (stress->orders)
        munmap((void *)(uintptr_t)stress->orders, sizeof(*stress->orders));
    if (stress->answers)
        munmap((void *)(uintptr_t)stress->answers, sizeof(*stress->answers));
    close(stress->epoll);
    stress->doing = "waiting for the worker to end";
    while (waitpid(stress->worker, &ended, 0) < 0 && errno == EINTR)
        continue;
    return status == 0 && ended != 0 ? fail(stress, "the worker ended badly") : status;
}

/* Some workers, one after the other, so that lingering ones come too. */
static int run_transport(const char *name, int transport, uint64_t seed, unsigned long orders)
{
    int64_t start_ns = via_now_ns();
    struct stress totals = {.name = name};
    for (int life = 0; life < LIVES; life++) {
        struct stress stress = {.name = name, .transport = transport, .doing = "running"};
        stress.choices = (seed + (uint64_t)life) * UINT64_C(0x9e3779b97f4a7c15) | 1;
        watched = &stress;
        if (open_channel(&stress) < 0 || start_worker(&stress, life % 2 ? 20 * VIA_US : 0) < 0)
            return fail(&stress, "could not be set up");
        if (close_channel(&stress, run_orders(&stress, orders / LIVES)) < 0)
            return -1;
        totals.taken += stress.taken;
        totals.refused += stress.refused;
        totals.certain += stress.certain;
        totals.sleeps += stress.sleeps;
        totals.knocks += stress.knocks;
    }
    printf("# %s: %lu orders in %.1f s: %lu refused, %lu of them for certain; %lu sleeps, %lu knocks\n", name,
           totals.taken, (double)(via_now_ns() - start_ns) / VIA_S, totals.refused, totals.certain,
           totals.sleeps, totals.knocks);
    return totals.certain <= totals.refused ? 0 : fail(&totals, "a certain refusal is missing");
}

static unsigned long number_from(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

static bool is_wanted(const char *transport)
{
    const char *only = getenv("VIADUCT_STRESS_TRANSPORT");
    return !only || !*only || strcmp(only, transport) == 0;
}

int main(void)
{
    uint64_t seed = number_from("VIADUCT_STRESS_SEED", (unsigned long)via_now_ns() % 1000000007);
    unsigned long orders = number_from("VIADUCT_STRESS_ORDERS", DEFAULT_ORDERS);
    struct stress before = {.name = "none", .doing = "starting"};
    int tests = 0, failed = 0;
    printf("# VIADUCT_STRESS_SEED=%llu VIADUCT_STRESS_ORDERS=%lu\n", (unsigned long long)seed, orders);
    fflush(stdout);
    watched = &before;
    signal(SIGALRM, on_alarm);
    signal(SIGPIPE, SIG_IGN);
    alarm(STALL_SECONDS);
    if (via__channel_can_share() && is_wanted("shared")) {
        int status = run_transport("shared", VIA_TRANSPORT_SHARED, seed, orders);
        failed += status < 0;
        printf("%sok %d - shared memory: every order is answered once\n", status < 0 ? "not " : "", ++tests);
        fflush(stdout);
    }
    if (is_wanted("socket")) {
        int status = run_transport("socket", VIA_TRANSPORT_SOCKET, seed, orders);
        failed += status < 0;
        printf("%sok %d - sockets: every order is answered once\n", status < 0 ? "not " : "", ++tests);
    }
    printf("1..%d\n", tests);
    return failed != 0;
}
