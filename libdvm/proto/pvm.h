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

#include <stdint.h>

#define PVMI_VERSION	1u
#define PVMI_FRAME_MAX	(64u << 20) /* bytes of a body */
#define PVMI_LOCAL_MAX	512u	    /* tasks of a node at a time */
#define PVMI_NAME_MAX	4096u	    /* bytes of a name or argument */
#define PVMI_ENV_SOCKET "DVM_PVM_SOCKET" /* of the agent, for tasks that were spawned */
#define PVMI_ENV_TASK	"DVM_PVM_TASK"	 /* what they enrol with: spawn and index */

#define PVMI_TIDPVMD  0x80000000u
#define PVMI_TIDHOST  0x3ffc0000u
#define PVMI_TIDLOCAL 0x0003ffffu
#define PVMI_HOST_SHIFT 18

struct pvmi_frame {
	uint32_t len; /* of the body */
	uint16_t type;
	uint16_t version;
	uint32_t id; /* of a question and its answer; 0: nobody waits */
	int32_t code; /* of an answer; else of the type */
};

enum pvmi_type {
	PVMI_ANSWER = 1,
	/* task → agent */
	PVMI_ENROL = 2, /* i pid, s token, s program → i tid, i parent, i rank, i size, i node,
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
	PVMI_HOSTS_ADD = 10, /* i n [s name] → i n [i tid or code] */
	PVMI_HOSTS_DEL = 11, /* i n [s name] → i n [i code] */
	PVMI_PSTAT = 12, /* i tid → */
	PVMI_MSTAT = 13, /* s host → */
	PVMI_CONTEXT = 14, /* i: 0 new → i context; else free it → */
	PVMI_MBOX = 15,	 /* i op, s name, i index, i flags, … see enum pvmi_mbox_op */
	PVMI_GROUP = 16, /* i op, s group, i a, i b → i n [i]; see enum pvmi_group_op */
	PVMI_HALT = 17,
	PVMI_HOSTSYNC = 18, /* i host tid → i seconds, i microseconds there */
	PVMI_TICKLE = 19, /* i n [i] → i n [i] */
	PVMI_REGISTER = 20, /* i kind (enum pvmi_role), i on → */
	PVMI_POST = 21,	 /* i tid (a daemon), i tag, i context, i encoding, b body: a message to it */
	PVMI_SIBLINGS = 22, /* i n [i]: to those: this is who was spawned together */
	PVMI_SETOPT = 23, /* i what, i value: of ours, that the service must know (PvmNoReset) */
	/* agent → task */
	PVMI_DELIVER = 40, /* i source, i tag, i context, i encoding, b body: a message */
	PVMI_GONE = 41,	   /* i tid: that task has ended; what is known of its rank does not hold */
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
	PVMI_GROUP_MEMBERS = 7, /* → tids by instance, 0 where there is a hole */
	PVMI_GROUP_FREEZE = 8,	/* a: size. Answered when it has so many; → tids by instance */
	PVMI_GROUP_LIST = 9,	/* → nothing in numbers; see PVMI_GROUPS */
};

enum pvmi_role {
	PVMI_ROLE_HOSTER = 1,
	PVMI_ROLE_TASKER = 2,
	PVMI_ROLE_RM = 3,
	PVMI_ROLE_TRACER = 4,
};

#endif
