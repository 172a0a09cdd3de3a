/* SPDX-License-Identifier: BSD-3-Clause */
/* pvm_setopt() and pvm_getopt(). */
#include "libdvm/pvm3/state.h"

#define FRAG_MIN 96
#define FRAG_MAX (1 << 20)

/* Where option WHAT is kept; NULL: there is none of that number. */
static int *place(int what)
{
	switch (what) {
	case PvmRoute:
		return &pvmi.route;
	case PvmDebugMask:
		return &pvmdebmask;
	case PvmAutoErr:
		return &pvmi.auto_err;
	case PvmOutputTid:
		return &pvmi.out.tid;
	case PvmOutputCode:
		return &pvmi.out.tag;
	case PvmOutputContext:
		return &pvmi.out.ctx;
	case PvmTraceTid:
		return &pvmi.trace.tid;
	case PvmTraceCode:
		return &pvmi.trace.tag;
	case PvmTraceContext:
		return &pvmi.trace.ctx;
	case PvmTraceBuffer:
		return &pvmi.trace_buffer;
	case PvmTraceOptions:
		return &pvmi.trace_options;
	case PvmFragSize:
		return &pvmi.frag_size;
	case PvmResvTids:
		return &pvmi.resv_tids;
	case PvmSelfOutputTid:
		return &pvmi.self_out.tid;
	case PvmSelfOutputCode:
		return &pvmi.self_out.tag;
	case PvmSelfOutputContext:
		return &pvmi.self_out.ctx;
	case PvmSelfTraceTid:
		return &pvmi.self_trace.tid;
	case PvmSelfTraceCode:
		return &pvmi.self_trace.tag;
	case PvmSelfTraceContext:
		return &pvmi.self_trace.ctx;
	case PvmSelfTraceBuffer:
		return &pvmi.self_trace_buffer;
	case PvmSelfTraceOptions:
		return &pvmi.self_trace_options;
	case PvmShowTids:
		return &pvmi.show_tids;
	case PvmNoReset:
		return &pvmi.no_reset;
	default:
		return NULL;
	}
}

/* Who gets our own output or trace, and our children's: what of PvmSelf… is said of both. */
static struct pvmi_where *self_where(int what)
{
	return what == PvmSelfOutputTid || what == PvmSelfOutputCode ? &pvmi.self_out :
								       &pvmi.self_trace;
}

static struct pvmi_where *child_where(int what)
{
	const bool out = what == PvmSelfOutputTid || what == PvmSelfOutputCode ||
			 what == PvmOutputCode || what == PvmOutputContext;

	return out ? &pvmi.out : &pvmi.trace;
}

/* Code or context of where our children report, which may be another task. */
static bool is_of_child(int what)
{
	return what == PvmOutputCode || what == PvmOutputContext || what == PvmTraceCode ||
	       what == PvmTraceContext;
}

static bool is_trace_option(int what)
{
	return what == PvmTraceOptions || what == PvmSelfTraceOptions;
}

static bool is_tid_option(int what)
{
	return what == PvmOutputTid || what == PvmTraceTid || what == PvmSelfOutputTid ||
	       what == PvmSelfTraceTid;
}

/* Children can only report to nobody, or to us; how, is said while they do not report to others. */
static bool good(int what, int value)
{
	if (what == PvmRoute)
		return value >= PvmDontRoute && value <= PvmRouteDirect;
	if (what == PvmFragSize)
		return value >= FRAG_MIN && value <= FRAG_MAX;
	if (is_trace_option(what))
		return value >= PvmTraceFull && value <= PvmTraceCount;
	if (what == PvmOutputTid || what == PvmTraceTid)
		return value == 0 || value == pvmi.tid;
	if (is_of_child(what))
		return !child_where(what)->tid || child_where(what)->tid == pvmi.tid;
	if (what == PvmNoReset)
		return value == 0 || value == 1;
	return true;
}

static bool is_self(int what)
{
	return what == PvmSelfOutputTid || what == PvmSelfOutputCode || what == PvmSelfTraceTid ||
	       what == PvmSelfTraceCode;
}

/* Our own reports go elsewhere, and with them those of children to come. The value before. */
static int set_self(int what, int value)
{
	struct pvmi_where *self = self_where(what), *child = child_where(what);
	int before = 0;

	if (what == PvmSelfOutputTid || what == PvmSelfTraceTid) {
		before = self->tid;
		self->tid = value;
		*child = *self;
	} else if (self->tid) {
		before = self->tag;
		self->tag = child->tag = value;
	}
	return before;
}

/* Whether tasks of an ended parent stay is for the service to know. */
static void tell_service(int value)
{
	struct dvmi_buf args = { 0 };

	dvmi_buf_put_u32(&args, PvmNoReset);
	dvmi_buf_put_u32(&args, (uint32_t)value);
	pvmi_ask(PVMI_SETOPT, &args, NULL);
	dvmi_buf_free(&args);
}

int pvm_setopt(int what, int value)
{
	int *p = place(what);

	if (what == PvmPollType || what == PvmPollTime || what == PvmSelfOutputContext ||
	    what == PvmSelfTraceContext)
		return pvmi_result("pvm_setopt", PvmNotImpl);
	int rc = what == PvmNoReset || is_tid_option(what) ? pvmi_enrol() : 0;
	if (rc == 0 && (!p || !good(what, value)))
		rc = PvmBadParam;
	if (rc < 0)
		return pvmi_result("pvm_setopt", rc);
	if (is_self(what))
		return set_self(what, value);
	int before = *p;
	*p = value;
	if (what == PvmNoReset)
		tell_service(value);
	return before;
}

int pvm_getopt(int what)
{
	const int *p = place(what);

	return p ? *p : pvmi_result("pvm_getopt", PvmBadParam);
}

int pvm_setcontext(int context)
{
	int rc = pvmi_enrol(), before = pvmi.ctx;

	if (rc < 0)
		return pvmi_result("pvm_setcontext", rc);
	pvmi.ctx = context;
	return before;
}

int pvm_getcontext(void)
{
	int rc = pvmi_enrol();

	return rc < 0 ? pvmi_result("pvm_getcontext", rc) : pvmi.ctx;
}

static int ask_context(uint32_t op, int context)
{
	struct dvmi_buf args = { 0 };
	int rc = pvmi_enrol();

	if (rc < 0)
		return rc;
	dvmi_buf_put_u32(&args, op);
	dvmi_buf_put_u32(&args, (uint32_t)context);
	rc = pvmi_ask(PVMI_CONTEXT, &args, NULL);
	dvmi_buf_free(&args);
	return rc;
}

int pvm_newcontext(void)
{
	return pvmi_result("pvm_newcontext", ask_context(0, 0));
}

int pvm_freecontext(int context)
{
	/* Who ends the context it is in stays in it. */
	return pvmi_result("pvm_freecontext", ask_context(1, context));
}
