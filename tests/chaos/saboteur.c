/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who kills workers from outside while calls go on.
 *
 * Kills are spread over the calls, not over time: the next one is due when so many calls are over.
 */
#include "chaos.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS_MOST = 64 };

long parent_of(long pid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    long parent = 0;
    if (file && fgets(line, sizeof line, file)) {
        const char *behind = strrchr(line, ')');
        if (behind)
            sscanf(behind + 1, " %*c %ld", &parent);
    }
    if (file)
        fclose(file);
    return parent;
}

/* How many calls are over when a kill is due. */
static unsigned due(const struct saboteur *saboteur, unsigned kill)
{
    return (unsigned)((uint64_t)saboteur->calls * (kill + 1) / (saboteur->kills_wanted + 2));
}

/* The zygote is the parent of the workers; a worker that has just died has none that it could be confused
 * with. */
static void kill_zygote(struct saboteur *saboteur, long worker)
{
    long zygote = parent_of(worker);
    if (zygote > 1 && parent_of(zygote) == (long)getpid() && kill((pid_t)zygote, SIGKILL) == 0)
        saboteur->zygotes++;
}

static void strike(struct saboteur *saboteur, int at_zygote)
{
    static const int signals[] = {SIGKILL, SIGSEGV, SIGSTOP};
    long pids[WORKERS_MOST];
    int count = via_process_pool_workers(saboteur->pool, pids, WORKERS_MOST);
    if (count <= 0)
        return;
    long pid = pids[choose(&saboteur->seed) % (unsigned)count];
    int signo = signals[choose(&saboteur->seed) % 3];
    if (at_zygote) {
        kill_zygote(saboteur, pid);
    } else if (parent_of(parent_of(pid)) == (long)getpid() && kill((pid_t)pid, signo) == 0) {
        saboteur->killed++;
        saboteur->stopped += signo == SIGSTOP;
    }
}

static void *sabotage(void *arg)
{
    struct saboteur *saboteur = arg;
    for (unsigned i = 0; i < saboteur->kills_wanted; i++) {
        await_over(due(saboteur, i), &saboteur->over);
        if (atomic_load(&saboteur->over))
            break;
        strike(saboteur, 0);
        if (saboteur->zygotes == 0 && i >= saboteur->kills_wanted / 2)
            strike(saboteur, 1);
    }
    return NULL;
}

int saboteur_start(struct saboteur *saboteur)
{
    return pthread_create(&saboteur->thread, NULL, sabotage, saboteur);
}

void saboteur_join(struct saboteur *saboteur)
{
    atomic_store(&saboteur->over, 1);
    tell_moved();
    pthread_join(saboteur->thread, NULL);
}
