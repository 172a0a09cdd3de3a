/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events of this task (pvmtev.h): as they happen, or so many bytes at a time; or only, at the end, how
 * often each call was made and how long all of them took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "libdvm/base/clock.h"
#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/trace.h"

#define COUNT (TEV_MAX + 1)

static const char *const names[COUNT] = {
	[TEV_BARRIER] = "barrier",   [TEV_EXIT] = "exit",	  [TEV_FREEBUF] = "freebuf",
	[TEV_GETINST] = "getinst",   [TEV_INITSEND] = "initsend", [TEV_JOINGROUP] = "joingroup",
	[TEV_KILL] = "kill",	     [TEV_LVGROUP] = "lvgroup",	  [TEV_MCAST] = "mcast",
	[TEV_MKBUF] = "mkbuf",	     [TEV_NOTIFY] = "notify",	  [TEV_NRECV] = "nrecv",
	[TEV_PKBYTE] = "pkbyte",     [TEV_PKCPLX] = "pkcplx",	  [TEV_PKDCPLX] = "pkdcplx",
	[TEV_PKDOUBLE] = "pkdouble", [TEV_PKFLOAT] = "pkfloat",	  [TEV_PKINT] = "pkint",
	[TEV_PKUINT] = "pkuint",     [TEV_PKLONG] = "pklong",	  [TEV_PKULONG] = "pkulong",
	[TEV_PKSHORT] = "pkshort",   [TEV_PKUSHORT] = "pkushort", [TEV_PKSTR] = "pkstr",
	[TEV_PRECV] = "precv",	     [TEV_PROBE] = "probe",	  [TEV_PSEND] = "psend",
	[TEV_RECV] = "recv",	     [TEV_SEND] = "send",	  [TEV_SENDSIG] = "sendsig",
	[TEV_SPAWN] = "spawn",	     [TEV_TRECV] = "trecv",	  [TEV_UPKBYTE] = "upkbyte",
	[TEV_UPKCPLX] = "upkcplx",   [TEV_UPKDCPLX] = "upkdcplx", [TEV_UPKDOUBLE] = "upkdouble",
	[TEV_UPKFLOAT] = "upkfloat", [TEV_UPKINT] = "upkint",	  [TEV_UPKUINT] = "upkuint",
	[TEV_UPKLONG] = "upklong",   [TEV_UPKULONG] = "upkulong", [TEV_UPKSHORT] = "upkshort",
	[TEV_UPKUSHORT] = "upkushort", [TEV_UPKSTR] = "upkstr",	  [TEV_TIMING] = "timing",
	[TEV_PROFILING] = "profiling",
};

static struct {
	bool described[2][COUNT]; /* entries and exits */
	struct pvmi_msg *kept;	  /* NULL: nothing is */
	int calls[COUNT];
	uint64_t begun[COUNT], spent[COUNT]; /* ns */
} trace;

/* ---- records ---- */

static void put_int(struct pvmi_msg *m, int v)
{
	pvmi_pack(m, PVM_INT, &v, 1, 1);
}

static void put_value(struct pvmi_msg *m, const struct pvmi_datum *d)
{
	const char *const *texts = d->at;

	if (d->type & TEV_DATA_ARRAY)
		put_int(m, d->n);
	if ((d->type & ~TEV_DATA_ARRAY) == TEV_DATA_INT)
		pvmi_pack(m, PVM_INT, d->at, d->n, 1);
	else if (d->type == TEV_DATA_LONG)
		pvmi_pack(m, PVM_LONG, d->at, 1, 1);
	else if (d->type == TEV_DATA_STRING)
		pvmi_pack_str(m, d->at ? d->at : "");
	else
		for (int i = 0; i < d->n; i++)
			pvmi_pack_str(m, texts[i]);
}

static void put_data(struct pvmi_msg *m, bool described, const struct pvmi_datum *d, int n)
{
	for (; n > 0; n--, d++) {
		if (!described) {
			put_int(m, d->did);
			put_int(m, d->type);
		}
		put_value(m, d);
	}
}

static void put_record(struct pvmi_msg *m, int event, const struct pvmi_datum *data, int n)
{
	const int id = event & ~(TEV_EVENT_ENTRY | TEV_EVENT_EXIT);
	bool *known = &trace.described[event & TEV_EVENT_EXIT ? 1 : 0][id], described = *known;
	struct timeval now;

	gettimeofday(&now, NULL);
	const struct pvmi_datum first[] = { PVMI_INT(TS, (int)now.tv_sec),
					    PVMI_INT(TU, (int)now.tv_usec),
					    PVMI_INT(TID, pvmi.tid) };
	put_int(m, described ? TEV_MARK_EVENT_RECORD : TEV_MARK_EVENT_DESC);
	put_int(m, event);
	if (!described)
		pvmi_pack_str(m, names[id] ? names[id] : "");
	put_data(m, described, first, 3);
	put_data(m, described, data, n);
	put_int(m, described ? TEV_MARK_EVENT_RECORD_END : TEV_MARK_EVENT_DESC_END);
	*known = true;
}

/* Takes M. */
static void send(struct pvmi_msg *m)
{
	size_t len;
	struct pvmi_blob *b = pvmi_msg_bytes(m, &len);

	m->tag = pvmi.self_trace.tag;
	m->ctx = pvmi.self_trace.ctx;
	if (b)
		pvmi_send_blob(pvmi.self_trace.tid, m, b, len);
	pvmi_blob_unref(b);
	pvmi_msg_free(m);
}

static struct pvmi_msg *new_message(void)
{
	struct pvmi_msg *m = pvmi_msg_new(PVMI_ENC_XDR);

	if (m)
		pvmi_msg_packing(m);
	return m;
}

/* As it happens, or with others. */
static void tell(int event, const struct pvmi_datum *data, int n)
{
	const bool keeps = pvmi.self_trace_buffer > 0;

	if (!trace.kept && !(trace.kept = new_message()))
		return;
	if (keeps && !trace.kept->len)
		put_int(trace.kept, TEV_MARK_EVENT_BUFFER);
	put_record(trace.kept, event, data, n);
	if (keeps && trace.kept->len < (size_t)pvmi.self_trace_buffer)
		return;
	struct pvmi_msg *m = trace.kept;
	trace.kept = NULL;
	if (keeps)
		put_int(m, TEV_MARK_EVENT_BUFFER_END);
	send(m);
}

/* ---- only numbers ---- */

static void count(int event)
{
	const int id = event & ~(TEV_EVENT_ENTRY | TEV_EVENT_EXIT);

	trace.calls[id]++; /* as PVM does: what begins and what ends */
	if (event & TEV_EVENT_ENTRY) {
		trace.begun[id] = dvmi_clock_mono();
	} else {
		trace.spent[id] += dvmi_clock_mono() - trace.begun[id];
	}
}

/* What was counted, by names. */
static void tell_numbers(bool times)
{
	const char *called[COUNT];
	int n = 0, seconds[COUNT], micros[COUNT], calls[COUNT];

	for (int i = 0; i < COUNT; i++) {
		if (!trace.calls[i])
			continue;
		called[n] = names[i] ? names[i] : "";
		seconds[n] = (int)(trace.spent[i] / DVMI_SEC);
		micros[n] = (int)(trace.spent[i] % DVMI_SEC / DVMI_USEC);
		calls[n++] = trace.calls[i];
	}
	const struct pvmi_datum all[] = {
		PVMI_INT(VCT, n),
		{ TEV_DID_VID, TEV_DATA_STRING | TEV_DATA_ARRAY, called, n },
		PVMI_INTS(PRF, calls, n),
	};
	const struct pvmi_datum timed[] = { all[0], all[1], PVMI_INTS(TGS, seconds, n),
					    PVMI_INTS(TGU, micros, n), all[2] };
	if (n && times)
		tell(TEV_TIMING, timed, 5);
	else if (n)
		tell(TEV_PROFILING, all, 3);
}

/* ---- for the calls ---- */

void pvmi_trace_event(int event, const struct pvmi_datum *data, int n)
{
	if (pvmi.self_trace_options == PvmTraceTime || pvmi.self_trace_options == PvmTraceCount)
		count(event);
	else
		tell(event, data, n);
}

void pvmi_trace_received(int event, const struct pvmi_msg *m)
{
	PVMI_ENDS(event, PVMI_INT(MB, m ? m->mid : 0), PVMI_INT(MNB, m ? (int)m->len : -1),
		  PVMI_INT(MC, m ? m->tag : -1), PVMI_INT(MCX, m ? m->ctx : pvmi.ctx),
		  PVMI_INT(SRC, m ? m->src : -1));
}

void pvmi_trace_flush(void)
{
	if (pvmi.self_trace.tid > 0 && pvmi.self_trace.tid != pvmi.tid) {
		if (pvmi.self_trace_options > PvmTraceFull)
			tell_numbers(pvmi.self_trace_options == PvmTraceTime);
		if (trace.kept) {
			put_int(trace.kept, TEV_MARK_EVENT_BUFFER_END);
			send(trace.kept);
			trace.kept = NULL;
		}
	}
	pvmi_msg_free(trace.kept);
	memset(&trace, 0, sizeof trace);
}

/* ---- who is born with what ---- */

const char *pvmi_trace_for_children(char *text, size_t room)
{
	if (pvmi.trace.tid <= 0)
		return NULL;
	snprintf(text, room, "%d %d %s", pvmi.trace_options, pvmi.trace_buffer, pvmi.child_mask);
	return text;
}

void pvmi_trace_inherit(void)
{
	const char *text = getenv(PVMI_ENV_TRACE);
	int options, buffer;
	Pvmtmask mask;

	TEV_MASK_INIT(pvmi.self_mask);
	if (text && sscanf(text, "%d %d %35s", &options, &buffer, mask) == 3 &&
	    strlen(mask) == TEV_MASK_LENGTH - 1) {
		pvmi.self_trace_options = options;
		pvmi.self_trace_buffer = buffer;
		memcpy(pvmi.self_mask, mask, sizeof mask);
	}
	unsetenv(PVMI_ENV_TRACE);
	pvmi.trace_options = pvmi.self_trace_options;
	pvmi.trace_buffer = pvmi.self_trace_buffer;
	memcpy(pvmi.child_mask, pvmi.self_mask, sizeof pvmi.child_mask);
}

static char *mask_of(int who)
{
	return who == PvmTaskSelf ? pvmi.self_mask : who == PvmTaskChild ? pvmi.child_mask : NULL;
}

int pvm_settmask(int who, Pvmtmask mask)
{
	int rc = pvmi_enrol();
	char *to = mask_of(who);

	if (rc == 0 && (!to || !mask))
		rc = PvmBadParam;
	if (rc == 0)
		memcpy(to, mask, TEV_MASK_LENGTH - 1);
	return pvmi_result("pvm_settmask", rc);
}

int pvm_gettmask(int who, Pvmtmask mask)
{
	int rc = pvmi_enrol();
	const char *from = mask_of(who);

	if (rc == 0 && (!from || !mask))
		rc = PvmBadParam;
	if (rc == 0)
		memcpy(mask, from, TEV_MASK_LENGTH);
	return pvmi_result("pvm_gettmask", rc);
}
