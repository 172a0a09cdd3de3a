/* SPDX-License-Identifier: BSD-3-Clause */
/* All that libpvm3 knows. PVM has no handles: there is one of it in a process. */
#ifndef PVMI_STATE_H
#define PVMI_STATE_H

#include <stdarg.h>
#include <sys/types.h>

#include "pvmproto.h"
#include "pvmtev.h"
#include "libdvm/proto/pvm.h"
#include "libdvm/pvm3/lend.h"
#include "libdvm/pvm3/msg.h"
#include "libdvm/pvm3/pvm.h"
#include "libdvm/src/handle.h"
#include "libdvm/src/wait.h"

/* Where messages about a task's output or trace go. */
struct pvmi_where {
	int tid, ctx, tag;
};

/* A task as messages find it. */
struct pvmi_peer {
	int tid;   /* 0: a free place in the table */
	int rank;  /* of the world; negative: it has ended */
};

/* A message that has come, or is coming. */
struct pvmi_entry {
	struct dvmi_op op; /* while it is coming */
	struct pvmi_msg *msg;
	bool coming;
	struct pvmi_entry *prev, *next;
};

/* A message that is going. */
struct pvmi_flight {
	struct dvmi_op op;
	struct pvmi_blob *blob;
	struct pvmi_flight *next;
};

/* A message that the program wants to have handled, pvm_addmhf(). */
struct pvmi_handler {
	int id, src, tag, ctx;
	int (*fn)(int buffer);
};

/* An answer of the service, or the question that waits for it. */
struct pvmi_question {
	uint32_t id;
	bool done;
	int code;
	struct dvmi_buf body;
	struct pvmi_question *next;
};

struct pvmi_state {
	int tid;   /* 0: no task */
	int ptid;
	pid_t pid; /* the process that is the task: not what it forks */
	int auto_err;
	int ctx;
	/* Options. */
	int route, debug_mask, frag_size, resv_tids, show_tids, no_reset;
	struct pvmi_where out, trace;		/* of what we spawn */
	struct pvmi_where self_out, self_trace; /* ours */
	Pvmtmask self_mask, child_mask;
	int trace_buffer, trace_options, self_trace_buffer, self_trace_options;
	/* Buffers. */
	struct pvmi_mids mids;
	struct pvmi_msg *sbuf, *rbuf;
	/* Messages. */
	dvm_t *d;
	struct pvmi_lend *lend; /* NULL: messages are copied */
	struct pvmi_entry *first, *last; /* in the order in which they came */
	struct pvmi_entry *spare;
	struct pvmi_flight *flights;
	uint32_t ncoming;
	struct pvmi_peer *peers; /* [npeers], a power of two; open addressing */
	uint32_t npeers, known;
	int (*match)(int buffer, int tid, int tag); /* pvm_recvf() */
	struct pvmi_handler *handlers;
	int nhandlers;
	bool handling;
	/* The service. */
	int fd; /* -1: none */
	struct dvmi_buf in;
	uint32_t last_id;
	struct pvmi_question *questions;
	int manager; /* the task that is asked instead; 0: none */
	int *siblings, nsiblings;
	bool watched; /* the program waits by itself, with a descriptor of ours */
	int fds[1];   /* what pvm_getfds() lends */
};

extern struct pvmi_state pvmi;

/* ---- buffer.c ---- */

int pvmi_mkbuf(int kind);
int pvmi_initsend(int kind);
/* Ends M, whatever it is in use for. NULL is accepted. */
void pvmi_drop(struct pvmi_msg *m);

/* ---- session.c: being a task ---- */

/* Ends being a task. What was sent is on its way then. */
void pvmi_leave(void);

/* ---- fork.c ---- */

/* This process is the task, until it says so again; whether it still is, not a child of it. */
void pvmi_remember_process(void);
bool pvmi_same_process(void);

/* ---- find.c ---- */

/* A socket connected to the agent of this node, which is started where there is none; or a code. */
int pvmi_find_agent(void);
/* The same; THERE tells whether it had been there before. */
int pvmi_find_running(bool *there);

/* ---- frames.c: the service ---- */

/* Sends a frame. 0 or PvmSysErr. */
int pvmi_frame_send(uint16_t type, uint32_t id, const struct dvmi_buf *body);
/* Takes the frames that have come. Their number. */
int pvmi_frames_take(void *unused);
/* Waits for the answer of a session that has no handle yet. Its code; body to OUT. */
int pvmi_ask_first(uint16_t type, const struct dvmi_buf *args, struct dvmi_buf *out);
/* The service is gone: all questions end. */
void pvmi_frames_lost(void);

/* ---- peers.c ---- */

/* The rank of TID, which the service is asked for where it is not known; PvmNoTask: it has ended. */
int pvmi_rank_of(int tid);
/* The same without asking: -1 where it is not known. */
int pvmi_rank_if_known(int tid);
/* TID is RANK (negative: has ended). */
void pvmi_peer_set(int tid, int rank);

/* ---- queue.c: what has come ---- */

/* Takes what has come, and sees what has gone. */
void pvmi_pump(void);
/* Nothing is here just now: whatever comes makes the descriptor readable that the program has. */
void pvmi_watch(void);
/* Messages move, and, where there are none, time passes. */
void pvmi_wait(struct dvmi_wait *w);
/*
 * Looks for a moment at what the task of RANK sends, and at nothing else, which is the short way of
 * an exchange of questions and answers. True: something has come.
 */
bool pvmi_take_from(int rank);
/* M has come: takes it. */
void pvmi_enqueue(struct pvmi_msg *m);
/* Takes M out of what has come, if it is there. */
void pvmi_unqueue(struct pvmi_msg *m);

/* ---- handler.c ---- */

/* Gives the program's handlers the messages that are theirs. */
void pvmi_handle(void);

/* ---- send.c ---- */

/* Sends LEN bytes of BLOB, which stays the caller's. 0 (also where TID has ended) or a code. */
int pvmi_send_blob(int tid, const struct pvmi_msg *as, struct pvmi_blob *blob, size_t len);
/* True while something that was sent needs us. */
bool pvmi_sending(void);

/* ---- route.c ---- */

/* There is a direct route between TID and us; there is none any more. */
void pvmi_route_add(int tid);
void pvmi_route_gone(int tid);
/* What pvm_notify() does for routes. 0 or PvmNoMem. */
int pvmi_route_notify(int what, int tag, int n, const int *tids);
void pvmi_routes_end(void);

/* ---- output.c ---- */

/* A piece of a child's output has come; true: it was for pvm_catchout(). */
bool pvmi_output_take(struct pvmi_msg *m);
/* Waits until all that is caught has ended. */
void pvmi_output_finish(void);

/* ---- packf.c ---- */
int pvmi_vpackf(const char *f, va_list *ap);

#endif
