/* SPDX-License-Identifier: BSD-3-Clause */
/* Boost.Asio: an io_context as the loop and a thread_pool; completions are posted back.  A timer that never
 * comes keeps the io_context's epoll in use, as it is in any program with sockets. */
#include "peer.h"

#include <boost/asio.hpp>
#include <chrono>
#include <memory>
#include <optional>

namespace asio = boost::asio;

static asio::io_context loop(1);
static auto work_guard = asio::make_work_guard(loop);
static asio::steady_timer never(loop), timer(loop);
static std::optional<asio::thread_pool> pool;

static int start(int workers, const char *variant)
{
    if (variant)
        return -1;
    never.expires_after(std::chrono::hours(24));
    never.async_wait([](const boost::system::error_code &) {});
    if (workers)
        pool.emplace(workers);
    return 0;
}

static void submit(struct job *job)
{
    asio::post(*pool, [job] {
        job->work();
        asio::post(loop, [job] { job->done(job); });
    });
}

static void submit_noop()
{
    asio::post(*pool, [] { asio::post(loop, [] { noop_done(); }); });
}

static void run()
{
    loop.restart();
    loop.run();
}

static void quit()
{
    loop.stop();
}

static void after_ms(int ms, void (*fn)(void))
{
    timer.expires_after(std::chrono::milliseconds(ms));
    timer.async_wait([fn](const boost::system::error_code &) { fn(); });
}

static void post_begin()
{
}

static void post_one()
{
    asio::post(loop, [] { post_arrived(); });
}

int main(int argc, char **argv)
{
    const struct peer peer = {"asio", start, submit, submit_noop, run, quit, after_ms, post_begin, post_one};
    return bench_main(argc, argv, &peer);
}
