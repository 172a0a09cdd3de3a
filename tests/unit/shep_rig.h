/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stand-in for dvmd that drives the real dvm-shepherd: one job, some nodes on this host, each
 * with a run-time directory and a client.sock, all in one loop. It checks what any daemon relies
 * on (cookie first, serial numbers that grow, output in order without gaps) as it goes.
 */
#ifndef TESTS_UNIT_SHEP_RIG_H
#define TESTS_UNIT_SHEP_RIG_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/place.h"
#include "libdvm/base/buf.h"
#include "libdvm/proto/msgtype.h"
#include "libdvm/proto/pb.h"
#include "libdvm/proto/stream.h"

enum { RIG_NODES = 2, RIG_RANKS = 512, RIG_JOB = 7 };

struct rig_node {
	struct rig *rig;
	uint32_t id;
	char dir[64];
	pid_t pid; /* of the shepherd; 0: reaped */
	int wait;  /* its status, then */
	int listen_fd;
	uv_poll_t listen;
	struct dvmi_stream *stream;
	bool greeted;
	Pb__JobStatus *status; /* the last one */
	uint64_t hellos, reports;
	uint64_t got;	 /* last output number */
	uint64_t resent; /* outputs that had come before */
	uint64_t begins; /* outputs that said that nothing is kept before them */
	uint64_t stdin_acked;
	bool hold_acks;	     /* do not acknowledge output */
	uint32_t unanswered; /* request of a hello that waits for rig_answer() */
	size_t unacked;	     /* bytes of bodies since the last acknowledgement */
	uint16_t call;	     /* type of the last call; 0: none since the test has looked */
	uint32_t call_request;
	struct dvmi_buf call_body;
	uint64_t calls;
	Pb__PeerMessage *foreign; /* the last one for another job */
	uint64_t foreigners;
};

struct rig {
	uv_loop_t loop;
	uv_timer_t tick; /* so that run_until wakes up */
	struct rig_node nodes[RIG_NODES];
	size_t n;
	char base[32];
	Pb__Launch *launch;
	uint8_t cookie[16];
	struct dvmi_buf out[RIG_RANKS][2]; /* by rank; stdout, stderr */
	size_t torn;			   /* chunks of whole lines that did not end in a newline */
	bool hold_hello;		   /* answer no hello before rig_answer() */
	int refuse;			   /* -E…: answer hellos with this error */
	bool drop_peers;		   /* lose PeerMessages */
	size_t peers;			   /* PeerMessages seen */
};

/* A job of RANKS ranks over NODES nodes (alternating) that runs ARGV. Nothing is started yet. */
void rig_init(struct rig *r, size_t nodes, uint32_t ranks, const char *const *argv);
void rig_env(struct rig *r, const char *entry);

/* Starts the shepherd of node I, with further options (NULL-terminated, or NULL). */
void rig_start(struct rig *r, size_t i, const char *const *options);

/* The daemon of node I dies, and comes back. */
void rig_daemon_dies(struct rig *r, size_t i);
void rig_daemon_returns(struct rig *r, size_t i);

void rig_answer(struct rig *r, size_t i);

/* Runs the loop until COND, at most 20 s (a failed test then). */
typedef bool rig_cond_fn(struct rig *r, void *arg);
void rig_run(struct rig *r, const char *what, rig_cond_fn *cond, void *arg);
bool rig_over(struct rig *r, void *arg);    /* all shares DONE or FAILED */
bool rig_running(struct rig *r, void *arg); /* all shares RUNNING or over */
bool rig_exited(struct rig *r, void *arg);  /* all shepherds have ended */

void rig_send(struct rig *r, size_t i, uint16_t type, const void *msg);
void rig_signal(struct rig *r, int sig, bool end, uint64_t grace_ns);
void rig_release(struct rig *r);
/* The next call of node I's shepherd, which must be of that TYPE; its body in r->nodes[I]. */
void rig_expect_call(struct rig *r, size_t i, uint16_t type);
/* Answers the last call of node I with a message or an Error. */
void rig_reply(struct rig *r, size_t i, uint16_t type, const void *msg);
void rig_reply_error(struct rig *r, size_t i, int code, const char *text);
void rig_ack(struct rig *r, size_t i);
void rig_stdin(struct rig *r, size_t i, uint64_t seq, const char *text, bool eof);

const Pb__RankStatus *rig_rank(const struct rig *r, uint32_t rank);
const char *rig_text(struct rig *r, uint32_t rank, int stream); /* as a string */

struct dvmd_place rig_place(const struct rig *r, size_t i);

/* How many live processes carry the job's marker (any node). */
size_t rig_survivors(const struct rig *r);

/* Ends what is left and removes the directories. */
void rig_end(struct rig *r);

/* ---- shep_life.c ---- */

/* cmocka's fixtures: *state is a struct rig, ended if it was begun. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* A job that runs a script of sh, or a verb of shep_payload.c with one argument. */
void rig_init_sh(struct rig *r, size_t nodes, uint32_t ranks, const char *script);
void rig_init_payload(struct rig *r, size_t nodes, uint32_t ranks, const char *verb,
		      const char *arg);
/* The job's directory is the rig's. */
void rig_work_here(struct rig *r);
/* A file in the rig's directory. */
void rig_make_file(struct rig *r, const char *name, const char *text, mode_t mode);

void rig_start_all(struct rig *r, const char *const *options);
void rig_wait_said(struct rig *r, uint32_t rank, const char *text); /* on stdout */
bool rig_has_hellos(struct rig *r, void *arg); /* as many as *(uint64_t *)arg */
bool rig_no_survivors(struct rig *r, void *arg);

/* Waits for the job's end, releases it, and checks that nothing at all is left. */
void rig_finish(struct rig *r);

/* Path of a file in the job's directory on node I. */
const char *rig_job_file(const struct rig *r, size_t i, const char *name, char path[128]);

#endif
