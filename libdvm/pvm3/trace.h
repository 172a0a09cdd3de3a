/* SPDX-License-Identifier: BSD-3-Clause */
/* Events of this task for its tracer: see pvmtev.h. */
#ifndef PVMI_TRACE_H
#define PVMI_TRACE_H

#include "pvmtev.h"
#include "libdvm/pvm3/state.h"

/* What an event says. */
struct pvmi_datum {
	int did, type; /* TEV_DID_…; TEV_DATA_INT, …_LONG, …_STRING, or …_INT | TEV_DATA_ARRAY */
	const void *at;
	int n; /* of an array */
};

#define PVMI_INT(did, v)     { TEV_DID_##did, TEV_DATA_INT, &(int){ v }, 1 }
#define PVMI_ADDRESS(did, p) { TEV_DID_##did, TEV_DATA_LONG, &(long){ (long)(p) }, 1 }
#define PVMI_STRING(did, s)  { TEV_DID_##did, TEV_DATA_STRING, s, 1 }
#define PVMI_INTS(did, p, n) { TEV_DID_##did, TEV_DATA_INT | TEV_DATA_ARRAY, p, n }

void pvmi_trace_event(int event, const struct pvmi_datum *data, int n);

/* Somebody wants to know of EVENT: nearly never. */
static inline bool pvmi_traced(int event)
{
	return __builtin_expect(pvmi.self_trace.tid > 0, 0) && pvmi.self_trace.tid != pvmi.tid &&
	       TEV_MASK_CHECK(pvmi.self_mask, event);
}

/* Call EVENT begins, or ends. */
#define PVMI_TRACE(event, side, ...)                                                             \
	do {                                                                                     \
		if (pvmi_traced(event)) {                                                        \
			const struct pvmi_datum data_[] = { __VA_ARGS__ };                       \
			pvmi_trace_event((event) | (side), data_, (int)(sizeof data_ / sizeof *data_)); \
		}                                                                                \
	} while (0)
#define PVMI_BEGINS(event, ...) PVMI_TRACE(event, TEV_EVENT_ENTRY, __VA_ARGS__)
#define PVMI_ENDS(event, ...)	PVMI_TRACE(event, TEV_EVENT_EXIT, __VA_ARGS__)
/* What a call ends with that has nothing to say but its code. It. */
static inline int pvmi_ends(int event, int code)
{
	PVMI_ENDS(event, PVMI_INT(CC, code));
	return code;
}

/* What comes of a receive: the message, or none. */
void pvmi_trace_received(int event, const struct pvmi_msg *m);
/* What the environment of a task says of its events; and what it shall say to tasks that we spawn. */
void pvmi_trace_inherit(void);
const char *pvmi_trace_for_children(char *text, size_t room);
/* Events that were kept back go. */
void pvmi_trace_flush(void);

#endif
