/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of jobctl.h share: a job as the leader sees it, and the steps all decisions are made of. */
#ifndef DVMD_JOBCTL_PRIVATE_H
#define DVMD_JOBCTL_PRIVATE_H

#include <uthash.h>

#include "daemon/jobctl.h"
#include "libdvm/base/clock.h"

#define TIMEOUT_EXIT 124 /* as timeout(1) */

struct share {
	uint32_t node;
	char *name;
	Pb__JobStatus *status; /* the last report, or NULL */
	bool dead;	       /* its node is gone, or it never answered to KILL */
	bool crashed;	       /* its shepherd died after the job was running */
	char *failed;	       /* why it could not be launched */
	int failed_code;
};

struct job {
	UT_hash_handle hh;
	uint64_t id;
	uint32_t origin;
	uint64_t parent; /* whose end is ours, too; 0: none */
	bool recovered;	 /* the leader has restarted since it began */
	bool one_fate;	 /* only a bad one, and a bad end of ours is the parent's */
	bool detached, keep_going;
	Pb__JobState state;
	struct share *shares;
	size_t nshares;
	/* UINT64_MAX: never */
	uint64_t since; /* from when on its limit counts */
	uint64_t launch_by, ends_by, notice_at, settle_by, kill_by, give_up_by, orphan_by, hold_by;
	int exit_code;	/* of the first failure; 0 while there is none */
	char *reason;	/* of the first failure, or NULL */
	bool weak;	/* it may yet turn out to be the consequence of another one */
	Pb__JobHow how; /* of the first failure */
	int signal;	/* that ended its first rank, or that it was ended with */
	bool requeue;	/* after the loss of a node it is to wait again */
	bool again;	/* somebody wants that */
	int warn_signal; /* 0: none, or said */
	uint64_t warn_at;
	uint64_t limit;		  /* ns; 0: none */
	uint64_t warn_before;	  /* its end */
	uint64_t stopped;	  /* since then; 0: it is not */
	uint64_t leave_by, wanted_by; /* it is lent, and to leave for that job */
};

struct queued {
	struct dvmd_jobctl_action action;
	struct queued *next;
};

struct dvmd_jobctl {
	struct dvmd_jobctl_config config;
	struct job *jobs;
	struct queued *queue;
};

#define HOW(name) PB__JOB_HOW__HOW_##name
#define S(name) PB__JOB_STATE__JOB_##name

static inline uint64_t later(uint64_t now, uint64_t by)
{
	return by > UINT64_MAX - now ? UINT64_MAX : now + by;
}

static inline char *reason_of(const struct job *j)
{
	return j->reason ? j->reason : (char *)protobuf_c_empty_string;
}

/* ---- jobctl.c ---- */

struct job *dvmd_jobctl_find(const struct dvmd_jobctl *c, uint64_t id);
void dvmd_jobctl_job_free(struct job *j);

/* ---- jobctl_share.c ---- */

bool dvmd_jobctl_is_running(const struct share *s);
bool dvmd_jobctl_is_final(const struct share *s);
bool dvmd_jobctl_every(const struct job *j, bool (*is)(const struct share *));
/* The names of the shares that are not IS, folded: "node[1-3]". The caller frees. */
char *dvmd_jobctl_names_not(const struct job *j, bool (*is)(const struct share *));
/* The rank that failed before all others; NULL: none has. */
const Pb__RankStatus *dvmd_jobctl_first_failed(const Pb__JobStatus *st);
/* Why the share has not started, or NULL. */
const char *dvmd_jobctl_start_failure(const struct share *s);

/* ---- jobctl_say.c ---- */

/* One more action of JOB's; NULL without memory: the tick tries again, all follows from state that is kept. */
struct dvmd_jobctl_action *dvmd_jobctl_push(struct dvmd_jobctl *c, enum dvmd_jobctl_do what,
				       uint64_t job);
void dvmd_jobctl_push_event(struct dvmd_jobctl *c, const struct job *j, Pb__JobEvent__Kind kind,
		       const char *text);
void dvmd_jobctl_push_change(struct dvmd_jobctl *c, const struct job *j);
void dvmd_jobctl_push_kill(struct dvmd_jobctl *c, const struct job *j, uint64_t grace);
void dvmd_jobctl_push_ended(struct dvmd_jobctl *c, const struct job *j);
/* The ranks of a share whose node or shepherd has died, for the others to know. */
void dvmd_jobctl_push_lost(struct dvmd_jobctl *c, const struct job *j, const struct share *s);
/* What report ST has to say that the share's last one had not; after a restart it has been said. */
void dvmd_jobctl_push_notes(struct dvmd_jobctl *c, const struct job *j, const struct share *s,
			    const Pb__JobStatus *st);

/* ---- jobctl_blame.c ---- */

/*
 * Remembers the first failure only: what follows is its consequence. Unless the first one is weak:
 * a rank that exits because it has noticed a crash on another node is often heard of before that.
 */
__attribute__((format(printf, 4, 5))) void dvmd_jobctl_blame(struct job *j, Pb__JobHow how,
							 int exit_code, const char *fmt, ...);
/* Takes over what the share's report says; true where it means that the job must end. */
bool dvmd_jobctl_judge(struct job *j, const struct share *s);
/*
 * When several nodes could not start for one reason, the job's reason names them all, folded:
 * "node[1-3]: prog: no such file".
 */
void dvmd_jobctl_fold_failures(struct job *j);

/* ---- jobctl_move.c ---- */

#define ORPHAN_GRACE (2 * DVMI_SEC) /* in which children may end by themselves */

void dvmd_jobctl_begin_end(struct dvmd_jobctl *c, struct job *j, uint64_t now, uint64_t grace);
/* The one place where a job moves on, after anything was learnt about it. */
void dvmd_jobctl_reconsider(struct dvmd_jobctl *c, struct job *j, uint64_t now);

/* ---- jobctl_time.c ---- */

/* It has run for RAN ns of its limit. */
void dvmd_jobctl_plan_end(struct job *j, uint64_t now, uint64_t ran);

#endif
