/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One rank: fork, everything a process needs to become a rank, exec.
 *
 * Between fork and exec a child only makes system calls. What goes wrong there it writes as one
 * struct shep_spawn_report into a pipe that all children share and that closes on exec: an end of
 * file means that every child has either become its program or said why not.
 */
#ifndef SHEP_SPAWN_H
#define SHEP_SPAWN_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum shep_stage {
	SHEP_STAGE_PARENT = 1, /* the shepherd died meanwhile */
	SHEP_STAGE_CGROUP,     /* a note only: the rank goes on */
	SHEP_STAGE_STDIO,
	SHEP_STAGE_MEMORY,   /* memory limit */
	SHEP_STAGE_AFFINITY, /* a note only: the rank goes on, not bound */
	SHEP_STAGE_WDIR,
	SHEP_STAGE_EXEC,
};

struct shep_spawn_report {
	uint32_t local; /* local rank */
	uint16_t stage;
	uint16_t err; /* errno */
};

/* What some ranks of a share run. */
struct shep_spawn_program {
	char **argv;	   /* argv[-1] must be writable: room for a shell in front of it */
	char **candidates; /* shep_program_candidates() */
	char **first;	   /* of them, that each rank need try */
	const char *wdir;
};

/* What all ranks of a share have in common. */
struct shep_spawn_plan {
	mode_t umask;
	int report_fd; /* write end of the report pipe, CLOEXEC */
	pid_t shepherd;
	rlim_t data_limit; /* bytes of RLIMIT_DATA, RLIM_INFINITY: leave it alone */
	struct rlimit nofile;
	bool no_new_privs;
	unsigned long timer_slack; /* ns; 0: as ours */
};

struct shep_spawn_rank {
	uint32_t local;
	const struct shep_spawn_program *program;
	int stdio[3]; /* become 0, 1, 2; stay the caller's */
	char **envp;
	const cpu_set_t *cpus; /* NULL: not bound */
	size_t cpus_bytes;
	int cgroup_fd; /* directory, or -1 */
	int keep_fd;   /* inherited under its number, or -1; stays the caller's */
};

/* The new process, in a process group of its own, or -E…. The caller has all signals blocked. */
pid_t shep_spawn(const struct shep_spawn_plan *plan, const struct shep_spawn_rank *rank);

/*
 * What a process that has not exec'ed yet is called by the kernel (/proc/PID/comm), so that one
 * which hangs there says in what.
 */
#define SHEP_COMM_WDIR "dvm: wdir"
#define SHEP_COMM_EXEC "dvm: exec"

#endif
