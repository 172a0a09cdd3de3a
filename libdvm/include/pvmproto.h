/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between a machine and the tasks that take over parts of its work: who starts daemons
 * (pvm_reg_hoster()), who starts tasks (pvm_reg_tasker()), who places them (pvm_reg_rm()); and the
 * bits of a task's id.
 *
 *	t task	d daemon  R resource manager  H hoster	T tasker
 */
#ifndef DVM_PVMPROTO_H
#define DVM_PVMPROTO_H

#ifndef _PVMPROTO_H_
#define _PVMPROTO_H_
#endif

/* ---- ids of tasks ---- */

#ifndef TIDPVMD
#define TIDPVMD	 0x80000000 /* a daemon */
#define TIDGID	 0x40000000 /* a group */
#define TIDHOST	 0x3ffc0000 /* its host */
#define TIDLOCAL 0x0003ffff /* which one there */
#endif

/* ---- with who takes over work ---- */

#ifndef SDPROTOCOL
#define SDPROTOCOL 4302
#endif

#define SM_FIRST     ((int)0x80040001)
#define SM_SPAWN     (SM_FIRST + 0)  /* t-R: start tasks */
#define SM_EXEC	     (SM_FIRST + 1)  /* R-d: start them there */
#define SM_EXECACK   (SM_FIRST + 2)  /* d-R */
#define SM_TASK	     (SM_FIRST + 3)  /* t-R: which tasks are there */
#define SM_CONFIG    (SM_FIRST + 4)  /* t-R: which hosts */
#define SM_ADDHOST   (SM_FIRST + 5)  /* t-R */
#define SM_DELHOST   (SM_FIRST + 6)  /* t-R */
#define SM_ADD	     (SM_FIRST + 7)  /* R-d: add hosts */
#define SM_ADDACK    (SM_FIRST + 8)  /* d-R */
#define SM_NOTIFY    (SM_FIRST + 9)  /* t-R */
#define SM_TASKX     (SM_FIRST + 10) /* d-R: a task has ended */
#define SM_HOSTX     (SM_FIRST + 11) /* d-R: a host is gone */
#define SM_HANDOFF   (SM_FIRST + 12) /* R-d: to another manager */
#define SM_SCHED     (SM_FIRST + 13) /* t-R: become the manager */
#define SM_STHOST    (SM_FIRST + 14) /* d-H: start daemons */
#define SM_STHOSTACK (SM_FIRST + 15) /* H-d: what became of them */
#define SM_STTASK    (SM_FIRST + 16) /* d-T: start a task */
#define SM_LAST	     (SM_FIRST + 16)

/* ---- of tasks with their daemon ---- */

#ifndef TDPROTOCOL
#define TDPROTOCOL 1318
#endif

#define TM_FIRST    ((int)0x80010001)
#define TM_CONNECT  (TM_FIRST + 0)
#define TM_CONN2    (TM_FIRST + 1)
#define TM_EXIT	    (TM_FIRST + 2)
#define TM_ADDHOST  (TM_FIRST + 3)
#define TM_DELHOST  (TM_FIRST + 4)
#define TM_CONFIG   (TM_FIRST + 5)
#define TM_MSTAT    (TM_FIRST + 6)
#define TM_HALT	    (TM_FIRST + 7)
#define TM_TICKLE   (TM_FIRST + 8)
#define TM_SPAWN    (TM_FIRST + 9)
#define TM_PSTAT    (TM_FIRST + 10)
#define TM_SENDSIG  (TM_FIRST + 11)
#define TM_TASK	    (TM_FIRST + 12)
#define TM_MCA	    (TM_FIRST + 13)
#define TM_NOTIFY   (TM_FIRST + 14)
#define TM_DB	    (TM_FIRST + 15)
#define TM_SCHED    (TM_FIRST + 16)
#define TM_TASKER   (TM_FIRST + 17)
#define TM_HOSTER   (TM_FIRST + 18)
#define TM_TRACER   (TM_FIRST + 19)
#define TM_HOSTSYNC (TM_FIRST + 20)
#define TM_SETOPT   (TM_FIRST + 21)
#define TM_GETOPT   (TM_FIRST + 22)
#define TM_CONTEXT  (TM_FIRST + 23)
#define TM_SHMCONN  (TM_FIRST + 24)
#define TM_LAST	    (TM_FIRST + 24)

#define TMDB_PUT    1
#define TMDB_REMOVE 2
#define TMDB_GET    3
#define TMDB_NAMES  4
#define TMDB_RESET  5

/* What TM_SETOPT names. */
#define TS_OUTTID 1 /* where output goes: task, context, tag */
#define TS_OUTCTX 2
#define TS_OUTTAG 3
#define TS_TRCTID 4 /* where traces go */
#define TS_TRCCTX 5
#define TS_TRCTAG 6

/* ---- of tasks among themselves ---- */

#define TC_FIRST     ((int)0x80030001)
#define TC_CONREQ    (TC_FIRST + 0)
#define TC_CONACK    (TC_FIRST + 1)
#define TC_TASKEXIT  (TC_FIRST + 2)
#define TC_NOOP	     (TC_FIRST + 3)
#define TC_OUTPUT    (TC_FIRST + 4)
#define TC_SETTRACE  (TC_FIRST + 5)
#define TC_SETTMASK  (TC_FIRST + 6)
#define TC_SETTRCBUF (TC_FIRST + 7)
#define TC_SETTRCOPT (TC_FIRST + 8)
#define TC_SHMAT     (TC_FIRST + 9)
#define TC_OUTPUTX   (TC_FIRST + 10)
#define TC_SIBLINGS  (TC_FIRST + 11)
#define TC_LAST	     (TC_FIRST + 11)

/* Lengths in messages with output that are none. */
#define TO_EOF	 0    /* the task writes no more */
#define TO_SPAWN (-1) /* it was spawned */
#define TO_NEW	 (-2) /* it has begun */

/* ---- contexts of the system ---- */

#define BASECONTEXT  0
#define SYSCTX_FIRST 0x0007ffff
#define SYSCTX_TC    (SYSCTX_FIRST - 0)
#define SYSCTX_TM    (SYSCTX_FIRST - 1)
#define SYSCTX_SG    (SYSCTX_FIRST - 2)
#define SYSCTX_DG    (SYSCTX_FIRST - 3)
#define SYSCTX_LAST  (SYSCTX_FIRST - 9)
#define NUM_SYSCTX   (SYSCTX_FIRST - SYSCTX_LAST + 1)

/* ---- of daemons among themselves ---- */

#ifndef DDPROTOCOL
#define DDPROTOCOL 2316
#endif

#endif
