/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every control message there is. The body is the protobuf message named beside it (*.proto in
 * this directory), unless another codec is named. An answer has the type of its request, or is
 * ERROR. Numbers are never reused.
 */
#ifndef DVMI_PROTO_MSGTYPE_H
#define DVMI_PROTO_MSGTYPE_H

enum dvmi_msg_type {
	/* answers to any request */
	DVMI_MSG_ERROR = 1,   /* Error */
	DVMI_MSG_OK = 2,      /* no body */
	DVMI_MSG_VERSION = 3, /* no body: the envelope says which versions the sender speaks */

	/* node to node: membership and broadcast */
	DVMI_MSG_SWIM = 0x100,	/* member_msg.h */
	DVMI_MSG_BCAST = 0x101, /* bcast_msg.h */
	DVMI_MSG_PROBE = 0x102, /* no body; answered OK: dvm doctor */

	/* node to node: joining and the cluster state */
	DVMI_MSG_JOIN = 0x110,	      /* JoinRequest → JoinReply; from a token's key only */
	DVMI_MSG_STATE_PUSH = 0x111,  /* StateEntries: leader → all */
	DVMI_MSG_STATE_FETCH = 0x112, /* StateFetch → StateEntries or StateSnapshot */
	DVMI_MSG_STATE_SNAPSHOT = 0x113,
	DVMI_MSG_PROPOSE = 0x115,  /* Command (token_add only) → OK: member → leader */
	DVMI_MSG_JOIN_VIA = 0x116, /* JoinVia → JoinReply: a member passes a JOIN to the leader */
	DVMI_MSG_FORWARD = 0x114, /* Forward: a client's request carried to another node */

	/* node to node: jobs */
	DVMI_MSG_LAUNCH = 0x120,     /* Launch (payload of a broadcast) */
	DVMI_MSG_JOB_STATUS = 0x121, /* JobStatus: node → leader */
	DVMI_MSG_JOB_KILL = 0x122,   /* JobSignal (payload of a broadcast) */
	DVMI_MSG_JOB_EVENT = 0x123,  /* JobEvent: leader → origin */
	DVMI_MSG_JOB_RELEASE = 0x124,/* JobRef (broadcast): the job is over, forget it */
	DVMI_MSG_HALT_NODES = 0x125, /* no body (broadcast) */
	DVMI_MSG_RANKS_LOST = 0x126, /* RanksState (broadcast): ranks that closed or are gone */
	DVMI_MSG_STATUS_WANTED = 0x127, /* JobRef: a new leader asks for JobStatus of job, 0 = all */

	/* both planes: a job's streams, shepherd ↔ dvmd ↔ dvmd ↔ client */
	DVMI_MSG_OUTPUT = 0x130,     /* Output: towards the client */
	DVMI_MSG_OUTPUT_ACK = 0x131, /* OutputAck: back */
	DVMI_MSG_STDIN = 0x132,	     /* Stdin: towards rank(s) */
	DVMI_MSG_STDIN_ACK = 0x133,  /* StdinAck: back */
	DVMI_MSG_PEER = 0x134,	     /* PeerMessage: shepherd ↔ shepherd, opaque to dvmd */

	/* shepherd ↔ the PMIx server it has started, on a stream of their own */
	DVMI_MSG_PMIX_SETUP = 0x150,  /* PmixSetup: shepherd →, first */
	DVMI_MSG_PMIX_READY = 0x151,  /* PmixReady: → shepherd */
	DVMI_MSG_PMIX_FENCE = 0x152,  /* PmixFence: both ways */
	DVMI_MSG_PMIX_MODEX = 0x153,  /* PmixModex: both ways */
	DVMI_MSG_PMIX_CLIENT = 0x154, /* PmixClient: → shepherd */
	DVMI_MSG_PMIX_SPAWN = 0x155,  /* PmixSpawn: → shepherd */
	DVMI_MSG_PMIX_NAME = 0x156,   /* PmixName: → shepherd */
	DVMI_MSG_PMIX_ANSWER = 0x157, /* PmixAnswer: shepherd → */
	DVMI_MSG_PMIX_CONNECT = 0x158,/* PmixConnect: both ways */
	DVMI_MSG_PMIX_EVENT = 0x159,  /* PmixEvent: both ways */

	/* shepherd → dvmd on the local socket, beside JOB_STATUS, OUTPUT, PEER, … */
	DVMI_MSG_SHEPHERD_HELLO = 0x140, /* ShepherdHello → OK or ERROR; first message */
	DVMI_MSG_NEWS = 0x141,		 /* News: dvmd → shepherd */

	/* client → dvmd on the local socket, each answered by its …Reply or ERROR */
	DVMI_MSG_NODES = 0x200,	 /* no body → NodesReply */
	DVMI_MSG_JOBS = 0x201,	 /* JobsRequest → JobsReply */
	DVMI_MSG_PS = 0x202,	 /* JobRef → PsReply */
	DVMI_MSG_RUN = 0x203,	 /* RunRequest → RunReply, then JOB_EVENTs and OUTPUTs (id 0) */
	DVMI_MSG_ATTACH = 0x204, /* AttachRequest → RunReply, then as RUN */
	DVMI_MSG_SIGNAL = 0x205, /* JobSignal → OK */
	DVMI_MSG_LOGS = 0x206,	 /* LogsRequest → OUTPUT with MORE …, then OK */
	DVMI_MSG_TOKEN = 0x207,	 /* TokenRequest → TokenReply */
	DVMI_MSG_REMOVE = 0x208, /* NodeRef → OK */
	DVMI_MSG_HALT = 0x209,	 /* HaltRequest → OK */
	DVMI_MSG_DOCTOR = 0x20a, /* no body → DoctorReply */
	DVMI_MSG_LOG = 0x20b,	 /* LogRequest → LogReply */
	DVMI_MSG_INFO = 0x20c,	 /* no body → InfoReply: this node, its machine, its directories */
	DVMI_MSG_LEAVE = 0x20d,	 /* no body → OK: this node leaves and its dvmd ends */
	DVMI_MSG_SUBMIT = 0x220, /* SubmitRequest → SubmitReply */
	DVMI_MSG_QUEUE = 0x221,	 /* QueueRequest → OK: hold, release, change a waiting job */
	DVMI_MSG_DRAIN = 0x222,	 /* DrainRequest → OK */
	DVMI_MSG_TURN = 0x225,	 /* TurnRequest → TurnReply */
	DVMI_MSG_RESERVE = 0x224, /* ReserveRequest → ReserveReply */
	DVMI_MSG_HISTORY = 0x223, /* HistoryRequest → HistoryReply */

	/* a shepherd → dvmd on the local socket, for its job; also RUN, SIGNAL, NODES, REMOVE */
	DVMI_MSG_JOB_RECORD = 0x20e, /* JobRef → JobRecord without environment; of one's own jobs */
	DVMI_MSG_NAME_PUT = 0x20f,   /* NameRequest → OK */
	DVMI_MSG_NAME_GET = 0x210,   /* NameRequest → ServiceName */
	DVMI_MSG_NAME_DROP = 0x211,  /* NameRequest → OK */
	DVMI_MSG_HOST_ADD = 0x212,   /* HostAdd → OK */
};

#endif
