# SPDX-License-Identifier: BSD-3-Clause
# Written by tools/update-sources.sh.
crashy_codec_sources = \
  examples/crashy_codec/files.c \
  examples/crashy_codec/files.h \
  examples/crashy_codec/in_process.c \
  examples/crashy_codec/in_process.h \
  examples/crashy_codec/main.c \
  examples/crashy_codec/report.c \
  examples/crashy_codec/report.h
sqlite_httpd_sources = \
  examples/sqlite_httpd/apart.h \
  examples/sqlite_httpd/callbacks.c \
  examples/sqlite_httpd/coroutines.c \
  examples/sqlite_httpd/demo.c \
  examples/sqlite_httpd/demo.h \
  examples/sqlite_httpd/driver.c \
  examples/sqlite_httpd/driver.h \
  examples/sqlite_httpd/executors.c \
  examples/sqlite_httpd/executors.h \
  examples/sqlite_httpd/import.c \
  examples/sqlite_httpd/import.h \
  examples/sqlite_httpd/json.c \
  examples/sqlite_httpd/json.h \
  examples/sqlite_httpd/listen.c \
  examples/sqlite_httpd/listen.h \
  examples/sqlite_httpd/main.c \
  examples/sqlite_httpd/params.c \
  examples/sqlite_httpd/params.h \
  examples/sqlite_httpd/progress.c \
  examples/sqlite_httpd/progress.h \
  examples/sqlite_httpd/query.c \
  examples/sqlite_httpd/query.h \
  examples/sqlite_httpd/request.c \
  examples/sqlite_httpd/request.h \
  examples/sqlite_httpd/server.c \
  examples/sqlite_httpd/server.h \
  examples/sqlite_httpd/similar.c \
  examples/sqlite_httpd/stats.c \
  examples/sqlite_httpd/stats.h \
  examples/sqlite_httpd/svg.c \
  examples/sqlite_httpd/svg.h \
  examples/sqlite_httpd/zone.c
GALLERY = \
  examples/gallery/01_create_task \
  examples/gallery/02_not_awaited \
  examples/gallery/03_gather_error \
  examples/gallery/04_gather_errors \
  examples/gallery/05_wait_timeout \
  examples/gallery/06_as_completed \
  examples/gallery/07_shield \
  examples/gallery/08_shield_twice \
  examples/gallery/09_spinner \
  examples/gallery/10_promise \
  examples/gallery/11_executors \
  examples/gallery/12_wrap_future \
  examples/gallery/13_run \
  examples/gallery/14_timed \
  examples/gallery/15_to_thread \
  examples/gallery/16_wait_for \
  examples/gallery/17_cancel \
  examples/gallery/18_one_fails \
  examples/gallery/19_group_error \
  examples/gallery/21_producer_consumer \
  examples/gallery/22_delegate \
  examples/gallery/24_by_hand \
  examples/gallery/25_async_with \
  examples/gallery/26a_async_generator \
  examples/gallery/26b_shelves \
  examples/gallery/28_set_by_another \
  examples/gallery/29_filter \
  examples/gallery/30_template_job \
  examples/gallery/31_promise_prints \
  examples/gallery/32_shield_wait_for \
  examples/gallery/33_async_iterator \
  examples/gallery/34_iterator_and_context \
  examples/gallery/35_own_sleep \
  examples/gallery/36_loop_calls \
  examples/gallery/37_task_tree \
  examples/gallery/38_wait_first \
  examples/gallery/39_done_callback \
  examples/gallery/41_nobody_will \
  examples/gallery/42_set_twice \
  examples/gallery/43_three_executors \
  examples/gallery/45_queue_workers \
  examples/gallery/46a_lock \
  examples/gallery/46b_event \
  examples/gallery/46c_condition \
  examples/gallery/46d_semaphore \
  examples/gallery/46e_barrier \
  examples/gallery/48_from_threads
examples_gallery_01_create_task_LDADD = libviaduct.la
examples_gallery_02_not_awaited_LDADD = libviaduct.la
examples_gallery_03_gather_error_LDADD = libviaduct.la
examples_gallery_04_gather_errors_LDADD = libviaduct.la
examples_gallery_05_wait_timeout_LDADD = libviaduct.la
examples_gallery_06_as_completed_LDADD = libviaduct.la
examples_gallery_07_shield_LDADD = libviaduct.la
examples_gallery_08_shield_twice_LDADD = libviaduct.la
examples_gallery_09_spinner_LDADD = libviaduct.la
examples_gallery_10_promise_LDADD = libviaduct.la
examples_gallery_11_executors_LDADD = libviaduct.la
examples_gallery_12_wrap_future_LDADD = libviaduct.la
examples_gallery_13_run_LDADD = libviaduct.la
examples_gallery_14_timed_LDADD = libviaduct.la
examples_gallery_15_to_thread_LDADD = libviaduct.la
examples_gallery_16_wait_for_LDADD = libviaduct.la
examples_gallery_17_cancel_LDADD = libviaduct.la
examples_gallery_18_one_fails_LDADD = libviaduct.la
examples_gallery_19_group_error_LDADD = libviaduct.la
examples_gallery_21_producer_consumer_LDADD = libviaduct.la
examples_gallery_22_delegate_LDADD = libviaduct.la
examples_gallery_24_by_hand_LDADD = libviaduct.la
examples_gallery_25_async_with_LDADD = libviaduct.la
examples_gallery_26a_async_generator_LDADD = libviaduct.la
examples_gallery_26b_shelves_LDADD = libviaduct.la
examples_gallery_28_set_by_another_LDADD = libviaduct.la
examples_gallery_29_filter_LDADD = libviaduct.la
examples_gallery_30_template_job_LDADD = libviaduct.la
examples_gallery_31_promise_prints_LDADD = libviaduct.la
examples_gallery_32_shield_wait_for_LDADD = libviaduct.la
examples_gallery_33_async_iterator_LDADD = libviaduct.la
examples_gallery_34_iterator_and_context_LDADD = libviaduct.la
examples_gallery_35_own_sleep_LDADD = libviaduct.la
examples_gallery_36_loop_calls_LDADD = libviaduct.la
examples_gallery_37_task_tree_LDADD = libviaduct.la
examples_gallery_38_wait_first_LDADD = libviaduct.la
examples_gallery_39_done_callback_LDADD = libviaduct.la
examples_gallery_41_nobody_will_LDADD = libviaduct.la
examples_gallery_42_set_twice_LDADD = libviaduct.la
examples_gallery_43_three_executors_LDADD = libviaduct.la
examples_gallery_45_queue_workers_LDADD = libviaduct.la
examples_gallery_46a_lock_LDADD = libviaduct.la
examples_gallery_46b_event_LDADD = libviaduct.la
examples_gallery_46c_condition_LDADD = libviaduct.la
examples_gallery_46d_semaphore_LDADD = libviaduct.la
examples_gallery_46e_barrier_LDADD = libviaduct.la
examples_gallery_48_from_threads_LDADD = libviaduct.la
SQLITE_GALLERY = \
  examples/gallery/47_transaction
examples_gallery_47_transaction_CPPFLAGS = $(AM_CPPFLAGS) $(EXAMPLES_CFLAGS)
examples_gallery_47_transaction_LDADD = libviaduct.la $(EXAMPLES_LIBS)
