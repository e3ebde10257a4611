/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The umbrella header: everything a program needs.
 *
 * Viaduct lets blocking C functions live beside a libevent loop.  A function runs on an executor, its
 * outcome arrives in a concurrent future, and the bridge turns that into a future of the loop.  Each
 * concept has a header of its own below `viaduct/`; the headers are the reference.
 */
#ifndef VIADUCT_H
#define VIADUCT_H

#include <viaduct/async_map.h>
#include <viaduct/barrier.h>
#include <viaduct/bridge.h>
#include <viaduct/buffer.h>
#include <viaduct/call.h>
#include <viaduct/cfuture.h>
#include <viaduct/combine.h>
#include <viaduct/coro.h>
#include <viaduct/error.h>
#include <viaduct/event.h>
#include <viaduct/executor.h>
#include <viaduct/future.h>
#include <viaduct/group.h>
#include <viaduct/local.h>
#include <viaduct/lock.h>
#include <viaduct/log.h>
#include <viaduct/loop.h>
#include <viaduct/map.h>
#include <viaduct/outcome.h>
#include <viaduct/plain.h>
#include <viaduct/portal.h>
#include <viaduct/process_pool.h>
#include <viaduct/process_report.h>
#include <viaduct/queue.h>
#include <viaduct/run.h>
#include <viaduct/scoped.h>
#include <viaduct/semaphore.h>
#include <viaduct/task.h>
#include <viaduct/thread_pool.h>
#include <viaduct/threadsafe.h>
#include <viaduct/time.h>
#include <viaduct/timeout.h>
#include <viaduct/version.h>
#include <viaduct/waiters.h>
#include <viaduct/watchdog.h>

#endif
