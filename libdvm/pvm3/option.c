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

static bool is_trace_option(int what)
{
	return what == PvmTraceOptions || what == PvmSelfTraceOptions;
}

static bool is_tid_option(int what)
{
	return what == PvmOutputTid || what == PvmTraceTid || what == PvmSelfOutputTid ||
	       what == PvmSelfTraceTid;
}

/* Children can only report to nobody, or to a task. */
static bool good(int what, int value)
{
	if (what == PvmRoute)
		return value >= PvmDontRoute && value <= PvmRouteDirect;
	if (what == PvmFragSize)
		return value >= FRAG_MIN && value <= FRAG_MAX;
	if (is_trace_option(what))
		return value >= PvmTraceFull && value <= PvmTraceCount;
	if (what == PvmOutputTid || what == PvmTraceTid)
		return value == 0 || ((unsigned)value & PVMI_TIDHOST && value > 0);
	if (what == PvmNoReset)
		return value == 0 || value == 1;
	return true;
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

	if (what == PvmPollType || what == PvmPollTime)
		return pvmi_result("pvm_setopt", PvmNotImpl);
	if (!p || !good(what, value))
		return pvmi_result("pvm_setopt", PvmBadParam);
	int rc = what == PvmNoReset || is_tid_option(what) ? pvmi_enrol() : 0;
	if (rc < 0)
		return pvmi_result("pvm_setopt", rc);
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
	int rc = ask_context(1, context);

	/* Who ends the context it is in goes back to the first one. */
	if (rc == 0 && pvmi.ctx == context)
		pvmi.ctx = PvmBaseContext;
	return pvmi_result("pvm_freecontext", rc);
}
