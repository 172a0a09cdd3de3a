// SPDX-License-Identifier: BSD-3-Clause
// What a tracer is told of a task's calls: each one, many at a time, and only how many there were.
#include "tests/pvm/show.h"

#include <pvmtev.h>

enum { EVENTS = 777, CONTEXT = 31, WORD = 5, ANSWER = 6 };

// Of the data of an event, those whose values are the same wherever it happens.
static int is_steady(int did)
{
	return did == TEV_DID_CC || did == TEV_DID_PC || did == TEV_DID_PSD || did == TEV_DID_MC ||
	       did == TEV_DID_VCT || did == TEV_DID_PRF || did == TEV_DID_VID;
}

static struct {
	int n, dids[16], types[16];
} known[2][TEV_MAX + 1];

static int next_int(void)
{
	int v = -99;

	return pvm_upkint(&v, 1, 1) < 0 ? -99 : v;
}

static void show_datum(int did, int type)
{
	int n = type & TEV_DATA_ARRAY ? next_int() : 1, v;
	char text[256];
	long address;

	if (is_steady(did))
		printf(" %d:", did);
	for (int i = 0; i < n; i++) {
		if ((type & ~TEV_DATA_ARRAY) == TEV_DATA_STRING) {
			pvm_upkstr(text);
			printf(" %s", text);
			continue;
		}
		if ((type & ~TEV_DATA_ARRAY) == TEV_DATA_LONG) {
			pvm_upklong(&address, 1, 1);
			continue;
		}
		v = next_int();
		if (is_steady(did))
			printf(" %d", v);
	}
}

// One event; how its data are described the first time, they are from then on.
static int show_record(int mark)
{
	int event = next_int(), id = event & ~(TEV_EVENT_ENTRY | TEV_EVENT_EXIT),
	    side = event & TEV_EVENT_EXIT ? 1 : 0, did, type;
	char name[256] = "";

	if (id < 0 || id > TEV_MAX) {
		printf("  event %d?\n", id);
		return 0;
	}
	if (mark == TEV_MARK_EVENT_DESC) {
		pvm_upkstr(name);
		known[side][id].n = 0;
		printf("  %s %d %s, described:", side ? "end of" : "begin of", id, name);
		while ((did = next_int()) != TEV_MARK_EVENT_DESC_END && did != -99) {
			type = next_int();
			if (known[side][id].n < 16) {
				known[side][id].dids[known[side][id].n] = did;
				known[side][id].types[known[side][id].n++] = type;
			}
			show_datum(did, type);
		}
		printf(" (%d data)\n", known[side][id].n);
		return did == TEV_MARK_EVENT_DESC_END;
	}
	printf("  %s %d:", side ? "end of" : "begin of", id);
	for (int i = 0; i < known[side][id].n; i++)
		show_datum(known[side][id].dids[i], known[side][id].types[i]);
	printf("\n");
	return next_int() == TEV_MARK_EVENT_RECORD_END;
}

// All events of a message. False: they are no events.
static int show_events(void)
{
	int mark = next_int(), many = mark == TEV_MARK_EVENT_BUFFER;

	if (many)
		mark = next_int();
	while (mark == TEV_MARK_EVENT_DESC || mark == TEV_MARK_EVENT_RECORD) {
		if (!show_record(mark))
			return 0;
		mark = next_int();
	}
	return mark == TEV_MARK_EVENT_BUFFER_END || (!many && mark == -99);
}

static int child(void)
{
	int v = recv_int(pvm_parent(), WORD);

	for (int i = 0; i < 3; i++) {
		pvm_initsend(PvmDataDefault);
		pvm_pkint(&v, 1, 1);
		pvm_send(pvm_parent(), ANSWER);
	}
	pvm_nrecv(pvm_parent(), 99);
	pvm_exit();
	return 0;
}

// Events of one child, to its end.
static void trace_one(char *how, int options, int buffer)
{
	int kid, gone, messages = 0, buf, from;

	head(how);
	memset(known, 0, sizeof known);
	SHOW(pvm_setopt(PvmTraceOptions, options));
	SHOW(pvm_setopt(PvmTraceBuffer, buffer));
	if (spawn_role("child", 1, &kid) != 1)
		return;
	pvm_notify(PvmTaskExit, 1, 1, &kid);
	send_int(kid, WORD, 7);
	for (int i = 0; i < 3; i++)
		recv_int(kid, ANSWER);
	pvm_recv(-1, 1);
	pvm_upkint(&gone, 1, 1);
	printf("the child is gone: %d\n", gone == kid);
	int old = pvm_setcontext(CONTEXT);
	while ((buf = pvm_nrecv(-1, EVENTS)) > 0) {
		pvm_bufinfo(buf, NULL, NULL, &from);
		if (from != kid)
			continue; // a daemon's, of tasks that begin and end
		messages++;
		if (!show_events())
			printf("  not to its end\n");
	}
	pvm_setcontext(old);
	if (buffer)
		printf("fewer messages than events: %d\n", messages < 16);
	else
		printf("%d messages\n", messages);
}

int main(int argc, char **argv)
{
	static const int wanted[] = { TEV_INITSEND, TEV_PKINT, TEV_SEND, TEV_RECV,
				      TEV_UPKINT,   TEV_NRECV, TEV_EXIT };
	Pvmtmask mask;

	start(argc, argv, 60);
	if (is_role(argc, argv, "child"))
		return child();
	pvm_setopt(PvmAutoErr, 0);
	name_tid(pvm_mytid(), "me");
	SHOW(pvm_setopt(PvmTraceTid, pvm_mytid()) >= 0);
	SHOW(pvm_setopt(PvmTraceCode, EVENTS));
	SHOW(pvm_setopt(PvmTraceContext, CONTEXT) >= 0);
	TEV_MASK_INIT(mask);
	for (int i = 0; i < COUNT(wanted); i++)
		TEV_MASK_SET(mask, wanted[i]);
	SHOW(pvm_settmask(PvmTaskChild, mask));
	trace_one("each event", PvmTraceFull, 0);
	trace_one("many at a time", PvmTraceFull, 2000);
	trace_one("how many there were", PvmTraceCount, 0);
	SHOW(pvm_exit());
	return 0;
}
