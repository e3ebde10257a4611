# SPDX-License-Identifier: BSD-3-Clause
# Written by tools/update-sources.sh.
viaduct_headers = \
  include/viaduct/async_map.h \
  include/viaduct/attr.h \
  include/viaduct/barrier.h \
  include/viaduct/bridge.h \
  include/viaduct/buffer.h \
  include/viaduct/call.h \
  include/viaduct/cfuture.h \
  include/viaduct/combine.h \
  include/viaduct/coro.h \
  include/viaduct/error.h \
  include/viaduct/event.h \
  include/viaduct/executor.h \
  include/viaduct/future.h \
  include/viaduct/group.h \
  include/viaduct/local.h \
  include/viaduct/lock.h \
  include/viaduct/log.h \
  include/viaduct/loop.h \
  include/viaduct/map.h \
  include/viaduct/outcome.h \
  include/viaduct/portal.h \
  include/viaduct/process_pool.h \
  include/viaduct/process_report.h \
  include/viaduct/queue.h \
  include/viaduct/run.h \
  include/viaduct/scoped.h \
  include/viaduct/semaphore.h \
  include/viaduct/task.h \
  include/viaduct/thread_pool.h \
  include/viaduct/threadsafe.h \
  include/viaduct/time.h \
  include/viaduct/timeout.h \
  include/viaduct/waiters.h \
  include/viaduct/watchdog.h
libviaduct_base_la_SOURCES = \
  src/base/clock.c \
  src/base/clock.h \
  src/base/cpu.h \
  src/base/error.c \
  src/base/exit.c \
  src/base/exit.h \
  src/base/fail.c \
  src/base/fork.c \
  src/base/fork.h \
  src/base/heap.c \
  src/base/heap.h \
  src/base/list.h \
  src/base/locals.c \
  src/base/locals.h \
  src/base/lock.c \
  src/base/lock.h \
  src/base/log.c \
  src/base/log.h \
  src/base/park.c \
  src/base/park.h \
  src/base/role.c \
  src/base/role.h \
  src/base/slab.c \
  src/base/slab.h \
  src/base/thread.c \
  src/base/thread.h \
  src/base/vclock.c \
  src/base/vclock.h \
  src/base/version.c \
  src/base/wakefd.c \
  src/base/wakefd.h
libviaduct_coro_la_SOURCES = \
  src/coro/annotate.h \
  src/coro/context.c \
  src/coro/context.h \
  src/coro/coro.c \
  src/coro/fiber.c \
  src/coro/fiber.h \
  src/coro/guard.c \
  src/coro/overflow.c \
  src/coro/stack.c \
  src/coro/stack.h \
  src/coro/thread.c
libviaduct_future_la_SOURCES = \
  src/future/cfuture.c \
  src/future/cfuture.h \
  src/future/completion.c \
  src/future/outcome.c \
  src/future/wait.c \
  src/future/wait.h \
  src/future/watch.c
libviaduct_executor_la_SOURCES = \
  src/executor/buffer.c \
  src/executor/buffer.h \
  src/executor/caller.c \
  src/executor/cancel.c \
  src/executor/custom.c \
  src/executor/custom.h \
  src/executor/custom_job.c \
  src/executor/deadlock.c \
  src/executor/executor.c \
  src/executor/executor.h \
  src/executor/frame.c \
  src/executor/frame.h \
  src/executor/inline.c \
  src/executor/interrupt.c \
  src/executor/job.c \
  src/executor/map.c \
  src/executor/pool_estimate.h \
  src/executor/pool_report.c \
  src/executor/pool_shutdown.c \
  src/executor/pool_submit.c \
  src/executor/pool_wake.c \
  src/executor/queue.c \
  src/executor/queue.h \
  src/executor/ring.c \
  src/executor/ring.h \
  src/executor/serial.c \
  src/executor/serial.h \
  src/executor/serial_pump.c \
  src/executor/thread_pool.c \
  src/executor/thread_pool.h \
  src/executor/timekeeper.c \
  src/executor/worker.c \
  src/executor/worker.h \
  src/executor/worker_batch.c \
  src/executor/worker_idle.c
libviaduct_loop_la_SOURCES = \
  src/loop/arm.c \
  src/loop/exception.c \
  src/loop/fd.c \
  src/loop/handle.c \
  src/loop/handle.h \
  src/loop/hold.c \
  src/loop/inbox.c \
  src/loop/inbox.h \
  src/loop/loop.c \
  src/loop/loop.h \
  src/loop/nap.c \
  src/loop/post.c \
  src/loop/query.c \
  src/loop/ready.h \
  src/loop/run.c \
  src/loop/signal.c \
  src/loop/tick.c \
  src/loop/tick.h \
  src/loop/timer.c \
  src/loop/timer.h \
  src/loop/watch.c \
  src/loop/watch.h
libviaduct_process_la_SOURCES = \
  src/process/acquaintance.h \
  src/process/buffer.h \
  src/process/channel.c \
  src/process/channel.h \
  src/process/channel_kind.h \
  src/process/channel_shared.c \
  src/process/channel_socket.c \
  src/process/config.c \
  src/process/config.h \
  src/process/confine.c \
  src/process/confine.h \
  src/process/confine_calls.c \
  src/process/confine_files.c \
  src/process/confine_parts.h \
  src/process/directory.c \
  src/process/directory.h \
  src/process/directory_memory.h \
  src/process/directory_view.c \
  src/process/elf.c \
  src/process/elf.h \
  src/process/enter.c \
  src/process/enter.h \
  src/process/fds.c \
  src/process/fds.h \
  src/process/feed.c \
  src/process/layout.c \
  src/process/layout.h \
  src/process/name.c \
  src/process/name.h \
  src/process/name_find.c \
  src/process/nursery.c \
  src/process/pantry.h \
  src/process/payload.h \
  src/process/pool.h \
  src/process/pool_end.c \
  src/process/pool_submit.c \
  src/process/port.c \
  src/process/port_kind.h \
  src/process/port_shared.c \
  src/process/port_socket.c \
  src/process/process_pool.c \
  src/process/registry.c \
  src/process/registry.h \
  src/process/report.c \
  src/process/serve.c \
  src/process/take.c \
  src/process/why.c \
  src/process/why.h \
  src/process/worker.c \
  src/process/worker_birth.c \
  src/process/worker_death.c \
  src/process/worker_watch.c \
  src/process/zygote.c \
  src/process/zygote.h \
  src/process/zygote_birth.c \
  src/process/zygote_client.c \
  src/process/zygote_parts.h \
  src/process/zygote_start.c
libviaduct_bridge_la_SOURCES = \
  src/bridge/bridge.c \
  src/bridge/callbacks.c \
  src/bridge/default_executor.c \
  src/bridge/future.c \
  src/bridge/future.h \
  src/bridge/promise.c \
  src/bridge/run_in_executor.c \
  src/bridge/run_until_complete.c \
  src/bridge/wrap.c
libviaduct_task_la_SOURCES = \
  src/task/await.c \
  src/task/close.c \
  src/task/finish.c \
  src/task/interrupt.c \
  src/task/name.c \
  src/task/portal.c \
  src/task/run.c \
  src/task/run.h \
  src/task/sigint.c \
  src/task/sigint.h \
  src/task/sleep.c \
  src/task/step.c \
  src/task/task.c \
  src/task/task.h \
  src/task/threadsafe.c
libviaduct_combine_la_SOURCES = \
  src/combine/as_completed.c \
  src/combine/async_map.c \
  src/combine/await_all.c \
  src/combine/combine.h \
  src/combine/gather.c \
  src/combine/gather.h \
  src/combine/gather_map.c \
  src/combine/group.c \
  src/combine/items.c \
  src/combine/outcomes.c \
  src/combine/outcomes.h \
  src/combine/shield.c \
  src/combine/timeout.c \
  src/combine/wait.c
libviaduct_sync_la_SOURCES = \
  src/sync/barrier.c \
  src/sync/condition.c \
  src/sync/event.c \
  src/sync/exit_stack.c \
  src/sync/lock.c \
  src/sync/lock.h \
  src/sync/queue.c \
  src/sync/resource.c \
  src/sync/resource.h \
  src/sync/semaphore.c \
  src/sync/slots.c \
  src/sync/slots.h \
  src/sync/waiters.c \
  src/sync/waiters.h
libviaduct_debug_la_SOURCES = \
  src/debug/report.c \
  src/debug/trace.c \
  src/debug/watchdog.c \
  src/debug/watchdog.h
