/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PVM: between a task (libpvm3), the agent of its node (dvm-pvm) and the master agent, which has
 * the world. doc/design/0016-pvm3.md.
 *
 * A task has a stream socket to its agent; agents have libdvm messages. Over both go frames: a head
 * and a body that dvmi_buf_put_…() has written and the checked reader takes apart. A question has a
 * number, chosen by who asks, and gets exactly one ANSWER with the same number. Same machine, same
 * release: the head is in native byte order, the numbers of a body are little-endian.
 *
 * In the comments i is a 32-bit number (negative ones as their complement), s a string, b a blob,
 * […] what is repeated as often as the number before it says.
 */
#ifndef DVMI_PROTO_PVM_H
#define DVMI_PROTO_PVM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PVMI_VERSION	1u
#define PVMI_FRAME_MAX	(64u << 20) /* bytes of a body */
#define PVMI_LOCAL_MAX	1024u	    /* ranks of a node in a world */
#define PVMI_NAME_MAX	4096u	    /* bytes of a name or argument */
#define PVMI_ENV_SOCKET "DVM_PVM_SOCKET" /* of the agent, for tasks that were spawned */
#define PVMI_ENV_TASK	"DVM_PVM_TASK"	 /* what they enrol with: their place, and a word */
#define PVMI_ENV_NEAR	"DVM_PVM_NEAR"	 /* where the spawning program is, and where it runs */
#define PVMI_ENV_DEBUG	"DVM_PVM_DEBUG"	 /* set: a debugger is started, with the program */
#define PVMI_ENV_TRACE	"DVM_PVM_TRACE" /* how a task is traced: options, bytes of a buffer, a mask */
#define PVMI_ENV_DIR	"DVM_PVM_DIR"	 /* where tasks shall begin, seen from their host's place */

#define PVMI_TIDPVMD  0x80000000u
#define PVMI_TIDHOST  0x3ffc0000u
#define PVMI_TIDLOCAL 0x0003ffffu
#define PVMI_TIDGID   0x40000000u
#define PVMI_HOST_SHIFT 18

/* Whether TID can be that of a task: not a daemon's, a group's or an error. */
static inline bool pvmi_is_task(int tid)
{
	const uint32_t bits = (uint32_t)tid;

	return bits & PVMI_TIDLOCAL && !(bits & (PVMI_TIDPVMD | PVMI_TIDGID));
}

struct pvmi_frame {
	uint32_t len; /* of the body */
	uint16_t type;
	uint16_t version;
	uint32_t id; /* of a question and its answer; 0: nobody waits */
	int32_t code; /* of an answer; else of the type */
};

/*
 * The first page of a range of the node's shared memory that holds bytes of messages (pvm3/lend.h).
 * Loans are given by the owner of the range and each is ended by its borrower.
 */
#define PVMI_LENT_MAGIC UINT32_C(0x6c656e74)
#define PVMI_LENT_HEAD	4096u
#define PVMI_LOANS_MAX	4032u

struct pvmi_lent {
	uint32_t magic;
	uint32_t loans;	       /* that were given: [loans] of open[] may be 1 */
	uint64_t bytes;	       /* of the range */
	_Atomic uint32_t heir; /* its owner has ended: the last borrower gives the memory back */
	_Atomic uint8_t open[PVMI_LOANS_MAX];
};

_Static_assert(sizeof(struct pvmi_lent) + 32 <= PVMI_LENT_HEAD, "a page, and what is in front of bytes");

/* Whether somebody reads the range. */
static inline int pvmi_lent_out(const struct pvmi_lent *h)
{
	for (uint32_t i = 0; i < h->loans && i < PVMI_LOANS_MAX; i++)
		if (atomic_load_explicit(&h->open[i], memory_order_seq_cst))
			return 1;
	return 0;
}

enum pvmi_type {
	PVMI_ANSWER = 1,
	/* task → agent */
	PVMI_ENROL = 2, /* i pid, s token → i tid, i parent, i rank, i size, i node,
			 * i nnodes, i local, i nlocal, s shepherd socket, i flags, output: i tid,
			 * i tag, i context; trace: the same; i context, i siblings [i tid] */
	PVMI_EXIT = 3,	/* → : is no task any more */
	PVMI_WHERE = 4, /* i tid → i rank; PvmNoTask */
	PVMI_CONFIG = 5, /* → i [i tid, s name, s arch, i speed, i dsig] */
	PVMI_TASKS = 6,	 /* i where (0, host, task) → i [i tid, i parent, i host, i flags, s a.out,
			  * i pid] */
	PVMI_SPAWN = 7,	 /* i flags, s where, i count, s file, s wdir, i argc [s], i nenv [s], i output tid,
			  * i tag, i context, trace likewise, i context → i [i tid or code, i rank] */
	PVMI_SIGNAL = 8, /* i tid, i signal → */
	PVMI_NOTIFY = 9, /* i what, i tag, i context, i count, i ntids [i] → */
	PVMI_HOSTS_ADD = 10, /* i n [s name and options] → i n [i tid or code] */
	PVMI_HOSTS_DEL = 11, /* i n [s name] → i n [i code] */
	PVMI_PSTAT = 12, /* i tid → */
	PVMI_MSTAT = 13, /* s host → */
	PVMI_CONTEXT = 14, /* i: 0 makes one, whose number is the code; 1 ends i context → */
	PVMI_MBOX = 15,	 /* i op, s name, i index, i flags, … see enum pvmi_mbox_op */
	PVMI_GROUP = 16, /* i op, s group, i a, i b → i n [i]; see enum pvmi_group_op */
	PVMI_HALT = 17,
	PVMI_HOSTSYNC = 18, /* i host tid → i seconds, i microseconds there */
	PVMI_TICKLE = 19, /* i n [i] → i n [i] */
	PVMI_REGISTER = 20, /* i kind (enum pvmi_role), i on → */
	PVMI_POST = 21,	 /* i tid (a daemon), i tag, i context, i encoding, b body, i wait id: a message to it */
	PVMI_SIBLINGS = 22, /* i n [i]: to those: this is who was spawned together */
	PVMI_SETOPT = 23, /* i what, i value: of ours, that the service must know (PvmNoReset) */
	PVMI_NORESETS = 24, /* → i n [i tid] */
	/* agent → task */
	PVMI_DELIVER = 40, /* i source, i tag, i context, i encoding, i wait id, b body: a message */
	PVMI_GONE = 41,	   /* i tid: that task has ended; what is known of its rank does not hold */
	PVMI_MATES = 42,   /* i n: tasks that share the cores of the node */

	PVMI_MANAGER = 43, /* the code is the task that manages resources; 0: none */

	/* what is spawned, before it becomes the program → agent */
	PVMI_READY = 50,  /* i spawn, i index, s nonce, i code (0 or Pvm…), i pid, i: output comes here,
			   * s path: left to the tasker, or "" → i place */
	PVMI_OUTPUT = 51, /* b text: what the program has printed */
	PVMI_HOW = 52,	  /* → the code: 1 if there is a tasker on the node; s wd, s ep as of OPTIONS */

	/* agent → master */
	PVMI_HELLO = 60,   /* s name of its node */
	PVMI_ASK = 62,	   /* i tid, i type, i id, rest: a question of its task */
	PVMI_A_ENROL = 64, /* i rank, i pid, s token; answered by ENROLLED with the same number */
	PVMI_A_READY = 66, /* i spawn, i index, s nonce, i code, i rank, i pid */
	PVMI_A_EXIT = 67,  /* i rank, i closed: no task has this rank any more */
	PVMI_A_OUTPUT = 68, /* i rank, b text; none: the end */
	PVMI_A_PATH = 70, /* i spawn, i index, s nonce, s path, s socket, i place: in front of A_READY */
	PVMI_A_CLOCK = 69, /* i tid, i id, i seconds, i microseconds: see CLOCK */
	PVMI_A_NODE = 71, /* ranks run out there; answered by NODE, or by nothing */
	/* master → agent */
	PVMI_WELCOME = 80, /* i index of its host, i nodes of the world, u64 key, i which of those it is,
			    * i ranks that were given there */
	PVMI_TELL = 81,	   /* i tid, i type, i id, i code, rest: a frame for its task */
	PVMI_ENROLLED = 82, /* i rank, i tid, i parent, output and trace: i tid, i tag, i context each,
			     * i context, i n [i sibling]; code: 0 or Pvm… */
	PVMI_RANK_GONE = 83, /* i rank, i tid, i closed */
	PVMI_KILL = 84,	   /* i rank, i signal */
	PVMI_CLOCK = 85,   /* i tid, i id: what time is it there? */
	PVMI_LEAVE = 86,   /* the machine halts, or the host leaves it */
	PVMI_RENEW = 87,   /* there is no task: all ranks are free again */
	PVMI_OPTIONS = 93, /* s wd: where tasks begin there, s ep: where they are looked for; "": as ever */
	PVMI_TASKER = 92,  /* the code: there is a tasker on that node */
	PVMI_NODE = 94,	   /* i which of the world's is that host's, too, i ranks that were given there */
	/* agents among themselves, by way of the master */
	PVMI_LOOKUP = 90,  /* i rank, i who asks */
	PVMI_ADDRESS = 91, /* i who asked, i rank, i code, b address */
};

enum pvmi_mbox_op {
	PVMI_MBOX_PUT = 1, /* + i encoding, b body → i index */
	PVMI_MBOX_GET = 2, /* → i index, i owner, i flags, i encoding, b body */
	PVMI_MBOX_DEL = 3, /* → */
	PVMI_MBOX_LIST = 4, /* name is a pattern → i n [s name, i n [i index, i owner, i flags]] */
};

/* The results are those of the calls; code is the number that the call returns. */
enum pvmi_group_op {
	PVMI_GROUP_JOIN = 1,	/* code: the instance */
	PVMI_GROUP_LEAVE = 2,
	PVMI_GROUP_INST = 3,	/* a: tid. code: its instance */
	PVMI_GROUP_TID = 4,	/* a: instance. code: its tid */
	PVMI_GROUP_SIZE = 5,	/* code: members */
	PVMI_GROUP_BARRIER = 6, /* a: count. Answered when so many have come */
	PVMI_GROUP_MEMBERS = 7, /* code: n → i n [i]: tids by instance, 0 where there is a hole */
	PVMI_GROUP_FREEZE = 8,	/* a: size. Answered when it has so many → as MEMBERS */
	PVMI_GROUP_LIST = 9,	/* of all, whatever the name. code: groups → i n [s name, i n [i tid]] */
};

enum pvmi_role {
	PVMI_ROLE_HOSTER = 1,
	PVMI_ROLE_TASKER = 2,
	PVMI_ROLE_RM = 3,
	PVMI_ROLE_TRACER = 4,
};

#endif
