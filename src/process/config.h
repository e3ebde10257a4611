/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every worker of a pool is told at its birth: one read-only memfd with this struct and the strings
 * behind it.
 */
#ifndef VIADUCT_PROCESS_CONFIG_H
#define VIADUCT_PROCESS_CONFIG_H

#include <stdint.h>

#include <viaduct/process_pool.h>

#define VIA__CONFIG_MAGIC   0x76696143u
#define VIA__CONFIG_VERSION 1

struct via__process_config {
    uint32_t magic, version;
    uint32_t bytes;    // of this struct and the strings
    int32_t transport; // VIA_TRANSPORT_SHARED or VIA_TRANSPORT_SOCKET
    int64_t linger_ns;
    int64_t cancel_grace_ns;
    uint64_t max_out_bytes;
    uint32_t sandbox;
    int32_t fresh_exec;
    int32_t debug;
    int32_t parent_pid;
    struct via_process_limits limits;
    char name[16];                     // of the processes, without the number
    uint32_t readable_at, writable_at; // where the paths begin: each ends with 0, the list with an empty one
};

// Makes the memfd.  0, VIA_ENOMEM or another negative errno.
int via__config_new(const struct via_process_pool_options *options, int transport, int *fd);

// Maps and checks it.  NULL if it is not what it should be.  Stays for the life of the process.
const struct via__process_config *via__config_map(int fd);

#endif
