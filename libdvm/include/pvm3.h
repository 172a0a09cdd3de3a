/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PVM 3 on a dvm machine: the calls, constants and structures that programs written for PVM 3.4
 * use, with the same names, values and results. Link with -lpvm3, and with -lgpvm3 in front of it
 * for the calls on groups. doc/design/0016-pvm3.md says how they are carried out.
 *
 * A process becomes a task of its user's virtual machine with the first call that needs one, and
 * is one until pvm_exit(). Calls return 0 or more when they succeed, else one of the negative
 * codes below, which pvm_errno keeps and pvm_perror() prints. Where automatic error messages are on
 * (PvmAutoErr, the default), a call that fails says so on standard error.
 *
 * Threads: one at a time, as in PVM.
 */
#ifndef DVM_PVM3_H
#define DVM_PVM3_H

/* The name by which other headers for PVM know that they come second. */
#ifndef _PVM3_H_
#define _PVM3_H_
#endif

#define PVM_MAJOR_VERSION 3
#define PVM_MINOR_VERSION 4
#define PVM_PATCH_VERSION 6
#define PVM_VER		  "3.4.6"

#include <stdio.h>
#include <sys/time.h>

/* ---- how a message is encoded: pvm_initsend(), pvm_mkbuf() ---- */

#define PvmDataDefault 0 /* XDR: any two hosts understand each other */
#define PvmDataRaw     1 /* as in memory */
#define PvmDataInPlace 2 /* as in memory, and read when it is sent */
#define PvmDataFoo     PvmDataDefault
#define PvmDataTrace   4

/* ---- pvm_spawn(): where, and how; added up ---- */

#define PvmTaskDefault	 0  /* anywhere */
#define PvmTaskHost	 1  /* on the host that is named */
#define PvmTaskArch	 2  /* on a host of the architecture that is named */
#define PvmTaskDebug	 4  /* under the debugger */
#define PvmTaskTrace	 8  /* traced */
#define PvmMppFront	 16 /* on the front end of a parallel computer */
#define PvmHostCompl	 32 /* anywhere but there */
#define PvmNoSpawnParent 64 /* without a parent */

/* ---- pvm_notify(): what is told of ---- */

#define PvmTaskExit	1   /* a task ends */
#define PvmHostDelete	2   /* a host leaves or fails */
#define PvmHostAdd	3   /* hosts come */
#define PvmRouteAdd	4   /* a direct connection stands */
#define PvmRouteDelete	5   /* or is lost */
#define PvmNotifyCancel 256 /* added: what was asked for is not wanted any more */

/* ---- pvm_setopt(), pvm_getopt(): what, and beneath it its values ---- */

#define PvmRoute	     1
#define PvmDontRoute	     1
#define PvmAllowDirect	     2
#define PvmRouteDirect	     3
#define PvmDebugMask	     2
#define PvmAutoErr	     3
#define PvmOutputTid	     4
#define PvmOutputCode	     5
#define PvmTraceTid	     6
#define PvmTraceCode	     7
#define PvmTraceBuffer	     8
#define PvmTraceOptions	     9
#define PvmTraceFull	     1
#define PvmTraceTime	     2
#define PvmTraceCount	     3
#define PvmFragSize	     10
#define PvmResvTids	     11
#define PvmSelfOutputTid     12
#define PvmSelfOutputCode    13
#define PvmSelfTraceTid	     14
#define PvmSelfTraceCode     15
#define PvmSelfTraceBuffer   16
#define PvmSelfTraceOptions  17
#define PvmShowTids	     18
#define PvmPollType	     19
#define PvmPollConstant	     1
#define PvmPollSleep	     2
#define PvmPollTime	     20
#define PvmOutputContext     21
#define PvmTraceContext	     22
#define PvmSelfOutputContext 23
#define PvmSelfTraceContext  24
#define PvmNoReset	     25

/* pvm_settmask(), pvm_gettmask(): whose */
#define PvmTaskSelf  0
#define PvmTaskChild 1

#define PvmBaseContext 0 /* the context a program begins with, unless its parent had another */

/* ---- mailboxes ---- */

#define PvmMboxDefault	     0	/* put: one entry, its owner's; get: exactly this index */
#define PvmMboxPersistent    1	/* stays when its owner ends */
#define PvmMboxMultiInstance 2	/* several entries of the name */
#define PvmMboxOverWritable  4	/* others may put over it */
#define PvmMboxFirstAvail    8	/* get: the first from the index on */
#define PvmMboxReadAndDelete 16 /* get: and take it out */
#define PvmMboxWaitForInfo   32 /* get: wait until there is one */
#define PvmMboxMaxFlag	     512

/* An index may be asked for together with the flags: above them, and below a maximum. */
#define PvmMboxDirectIndexShift 10
#define PvmMboxMaxDirectIndex	(1u << (31 - PvmMboxDirectIndexShift))
#define PvmMboxDirectIndexOf(flags) \
	(((unsigned)(flags) >> PvmMboxDirectIndexShift) & (PvmMboxMaxDirectIndex - 1))
#define PvmMboxDirectIndex(index)                                                                \
	((unsigned)(index) < PvmMboxMaxDirectIndex ?                                             \
		 (int)((unsigned)(index) << PvmMboxDirectIndexShift) :                           \
		 (fprintf(stderr, "Mbox Direct Index Too Large: %d >= %u\n", (int)(index), \
			  PvmMboxMaxDirectIndex),                                                \
		  0))

/* names that the system uses */
#define PVMNORESETCLASS "###_PVM_NO_RESET_###"
#define PVMHOSTERCLASS	"###_PVM_HOSTER_###"
#define PVMTASKERCLASS	"###_PVM_TASKER_###"
#define PVMTRACERCLASS	"###_PVM_TRACER_###"
#define PVMRMCLASS	"###_PVM_RM_###"

/* ---- results ---- */

#define PvmOk		0
#define PvmBadParam	-2  /* an argument makes no sense */
#define PvmMismatch	-3  /* arguments of several tasks disagree */
#define PvmOverflow	-4  /* a value is too large for the encoding */
#define PvmNoData	-5  /* the end of the buffer */
#define PvmNoHost	-6  /* no such host */
#define PvmNoFile	-7  /* no such program */
#define PvmDenied	-8
#define PvmNoMem	-10
#define PvmBadMsg	-12 /* a message cannot be decoded */
#define PvmSysErr	-14 /* the machine does not answer */
#define PvmNoBuf	-15 /* there is no current buffer */
#define PvmNoSuchBuf	-16
#define PvmNullGroup	-17 /* a group has no name */
#define PvmDupGroup	-18 /* is a member already */
#define PvmNoGroup	-19
#define PvmNotInGroup	-20
#define PvmNoInst	-21 /* no member with that number */
#define PvmHostFail	-22
#define PvmNoParent	-23
#define PvmNotImpl	-24
#define PvmDSysErr	-25 /* the machine cannot do it */
#define PvmBadVersion	-26
#define PvmOutOfRes	-27
#define PvmDupHost	-28
#define PvmCantStart	-29 /* a host's daemon does not start */
#define PvmAlready	-30
#define PvmNoTask	-31
#define PvmNotFound	-32
#define PvmExists	-33
#define PvmHostrNMstr	-34
#define PvmParentNotSet -35 /* spawned with PvmNoSpawnParent */
#define PvmIPLoopback	-36

/* as PVM 3.3 called two of them */
#define PvmNoEntry  PvmNotFound
#define PvmDupEntry PvmDenied

/* ---- types of data: pvm_psend(), pvm_precv(), pvm_reduce(), pvm_gather(), pvm_scatter() ---- */

#define PVM_STR	   0
#define PVM_BYTE   1
#define PVM_SHORT  2
#define PVM_INT	   3
#define PVM_FLOAT  4
#define PVM_CPLX   5
#define PVM_DOUBLE 6
#define PVM_DCPLX  7
#define PVM_LONG   8
#define PVM_USHORT 9
#define PVM_UINT   10
#define PVM_ULONG  11

/* ---- names of temporary files ---- */

#ifdef NOTMPNAM
#define PVMTMPNAMFUN(x) pvmtmpnam(x)
#define PVMTMPNAMLEN	128
#else
#define PVMTMPNAMFUN(x) tmpnam(x)
#ifdef L_tmpnam
#define PVMTMPNAMLEN L_tmpnam
#else
#define PVMTMPNAMLEN 128
#endif
#endif

/* ---- structures ---- */

struct pvmhostinfo { /* pvm_config() */
	int hi_tid;    /* of its daemon */
	char *hi_name;
	char *hi_arch; /* "LINUX64" */
	int hi_speed;  /* relative; 1000 */
	int hi_dsig;   /* how it lays data out */
};

struct pvmtaskinfo { /* pvm_tasks() */
	int ti_tid;
	int ti_ptid;	/* of its parent; 0: none */
	int ti_host;	/* tid of its host's daemon */
	int ti_flag;	/* 4: connected; others as the console names them */
	char *ti_a_out; /* its program; "" where a task was started by hand */
	int ti_pid;
};

struct pvmminfo { /* pvm_getminfo(), pvm_setminfo() */
	int len;
	int ctx;
	int tag;
	int wid;
	int enc;
	int crc;
	int src;
	int dst;
};

struct pvmmboxinfo { /* pvm_getmboxinfo() */
	char *mi_name;
	int mi_nentries;
	int *mi_indices;
	int *mi_owners;
	int *mi_flags;
};

/* ---- calls ---- */

#ifdef __cplusplus
extern "C" {
#endif

extern int pvm_errno; /* the last code below 0; 0: none yet */

/* tasks */
int pvm_mytid(void);
int pvm_exit(void);
int pvm_spawn(char *task, char **argv, int flags, char *where, int ntask, int *tids);
int pvm_kill(int tid);
int pvm_sendsig(int tid, int signum);
int pvm_parent(void);
int pvm_siblings(int **tids);
int pvm_pstat(int tid);
int pvm_tasks(int where, int *ntask, struct pvmtaskinfo **tasks);
int pvm_export(char *name);
int pvm_unexport(char *name);
int pvm_catchout(FILE *to);

/* the machine */
int pvm_config(int *nhost, int *narch, struct pvmhostinfo **hosts);
int pvm_mstat(char *host);
int pvm_addhosts(char **hosts, int count, int *codes);
int pvm_delhosts(char **hosts, int count, int *codes);
int pvm_tidtohost(int tid);
int pvm_hostsync(int host, struct timeval *remote, struct timeval *delta);
int pvm_archcode(char *arch);
int pvm_start_pvmd(int argc, char **argv, int block);
int pvm_halt(void);
char *pvm_version(void);

/* errors, options, the rest */
int pvm_perror(char *text);
char *pvm_strerror(void);
int pvm_getopt(int what);
int pvm_setopt(int what, int value);
int pvm_getfds(int **fds);
int pvm_tickle(int narg, int *args, int *nresult, int *results);

/* buffers */
int pvm_initsend(int encoding);
int pvm_mkbuf(int encoding);
int pvm_freebuf(int buffer);
int pvm_getsbuf(void);
int pvm_setsbuf(int buffer);
int pvm_getrbuf(void);
int pvm_setrbuf(int buffer);
int pvm_bufinfo(int buffer, int *bytes, int *tag, int *tid);
int pvm_getminfo(int buffer, struct pvmminfo *info);
int pvm_setminfo(int buffer, struct pvmminfo *info);
int pvm_getmwid(int buffer);
int pvm_setmwid(int buffer, int wid);

/* packing: COUNT elements, each STRIDE behind the one before */
int pvm_packf(const char *format, ...);
int pvm_pkbyte(char *from, int count, int stride);
int pvm_pkcplx(float *from, int count, int stride);
int pvm_pkdcplx(double *from, int count, int stride);
int pvm_pkdouble(double *from, int count, int stride);
int pvm_pkfloat(float *from, int count, int stride);
int pvm_pkint(int *from, int count, int stride);
int pvm_pklong(long *from, int count, int stride);
int pvm_pkshort(short *from, int count, int stride);
int pvm_pkstr(char *from);
int pvm_pkuint(unsigned int *from, int count, int stride);
int pvm_pkulong(unsigned long *from, int count, int stride);
int pvm_pkushort(unsigned short *from, int count, int stride);
int pvm_pkmesg(int buffer);
int pvm_pkmesgbody(int buffer);
int pvm_unpackf(const char *format, ...);
int pvm_upkbyte(char *to, int count, int stride);
int pvm_upkcplx(float *to, int count, int stride);
int pvm_upkdcplx(double *to, int count, int stride);
int pvm_upkdouble(double *to, int count, int stride);
int pvm_upkfloat(float *to, int count, int stride);
int pvm_upkint(int *to, int count, int stride);
int pvm_upklong(long *to, int count, int stride);
int pvm_upkshort(short *to, int count, int stride);
int pvm_upkstr(char *to);
int pvm_upkuint(unsigned int *to, int count, int stride);
int pvm_upkulong(unsigned long *to, int count, int stride);
int pvm_upkushort(unsigned short *to, int count, int stride);
int pvm_upkmesg(void);

/* messages */
int pvm_send(int tid, int tag);
int pvm_mcast(int *tids, int count, int tag);
int pvm_recv(int tid, int tag);
int pvm_nrecv(int tid, int tag);
int pvm_trecv(int tid, int tag, struct timeval *most);
int pvm_probe(int tid, int tag);
int pvm_psend(int tid, int tag, void *data, int count, int type);
int pvm_precv(int tid, int tag, void *data, int count, int type, int *rtid, int *rtag, int *rcount);
int (*pvm_recvf(int (*match)(int buffer, int tid, int tag)))(int buffer, int tid, int tag);
int pvm_notify(int what, int tag, int count, int *tids);

/* contexts and message handlers */
int pvm_newcontext(void);
int pvm_setcontext(int context);
int pvm_getcontext(void);
int pvm_freecontext(int context);
int pvm_addmhf(int src, int tag, int context, int (*handler)(int buffer));
int pvm_delmhf(int id);

/* mailboxes */
int pvm_putinfo(char *name, int buffer, int flags);
int pvm_recvinfo(char *name, int index, int flags);
int pvm_delinfo(char *name, int index, int flags);
int pvm_getmboxinfo(char *pattern, int *nclasses, struct pvmmboxinfo **classes);
int pvm_insert(char *name, int index, int data);
int pvm_lookup(char *name, int index, int *data);
int pvm_delete(char *name, int index);

/* who takes over parts of the machine's work */
int pvm_reg_hoster(void);
int pvm_reg_tasker(void);
int pvm_reg_rm(struct pvmhostinfo **hosts);
int pvm_reg_tracer(int tid, int context, int tag, int outctx, char *mask, int buffer, int options);
int pvm_getnoresets(int **tids, int *count);

/* groups (-lgpvm3) */
int pvm_joingroup(char *group);
int pvm_lvgroup(char *group);
int pvm_getinst(char *group, int tid);
int pvm_gettid(char *group, int inst);
int pvm_gsize(char *group);
int pvm_barrier(char *group, int count);
int pvm_bcast(char *group, int tag);
int pvm_reduce(void (*op)(int *type, void *x, void *y, int *count, int *info), void *data,
	       int count, int type, int tag, char *group, int root);
int pvm_gather(void *result, void *data, int count, int type, int tag, char *group, int root);
int pvm_scatter(void *result, void *data, int count, int type, int tag, char *group, int root);
int pvm_freezegroup(char *group, int size);

/* operations of pvm_reduce(): X becomes what they make of X and Y */
void PvmMax(int *type, void *x, void *y, int *count, int *info);
void PvmMin(int *type, void *x, void *y, int *count, int *info);
void PvmSum(int *type, void *x, void *y, int *count, int *info);
void PvmProduct(int *type, void *x, void *y, int *count, int *info);

/* what programs use beside the calls */
extern int pvmdebmask;
int pvmsleep(int seconds);
char *pvmgetrsh(void);
char *pvmgettmp(void);
char *pvmtmpnam(char *name);

#ifdef __cplusplus
}
#endif

#endif
