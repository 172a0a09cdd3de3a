/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "pvmproto.h"
#include "libdvm/base/clock.h"
#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/manager.h"

#define PATIENCE      (10 * DVMI_SEC) /* then the user is told who is waited for */
#define LIMIT	      60	      /* s, for what a manager knows by itself */
#define LIMIT_MAX     1000000
#define ENV_PATIENCE  "PVM_RM_PATIENCE"

bool pvmi_managed(void)
{
	return pvmi.manager && pvmi.manager != pvmi.tid;
}

struct pvmi_msg *pvmi_manager_body(void)
{
	struct pvmi_msg *m = pvmi_msg_new(PVMI_ENC_XDR);

	if (m)
		pvmi_msg_packing(m);
	return m;
}

void pvmi_put_int(struct pvmi_msg *m, int v)
{
	pvmi_pack(m, PVM_INT, &v, 1, 1);
}

int pvmi_get_int(struct pvmi_msg *m)
{
	int v = PvmNoData;

	pvmi_unpack(m, PVM_INT, &v, 1, 1);
	return v;
}

char *pvmi_get_str(struct pvmi_msg *m)
{
	int len = pvmi_peek_str(m);
	char *s = len > 0 ? calloc((size_t)len + 1, 1) : NULL;

	if (s && pvmi_unpack_str(m, s) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

static struct pvmi_msg *find_reply(int manager, int tag, int wid)
{
	for (struct pvmi_entry *e = pvmi.first; e; e = e->next)
		if (!e->coming && e->msg->src == manager && e->msg->tag == tag &&
		    e->msg->wid == wid)
			return e->msg;
	return NULL;
}

/*
 * How long an answer to TAG may take, in s; 0: as long as the manager lives. It may queue what needs
 * room that is not there yet, unless the user has said how long that may take.
 */
static uint64_t limit_of(int tag)
{
	const char *text = getenv(ENV_PATIENCE);
	char *end;
	unsigned long s = text ? strtoul(text, &end, 10) : 0;

	if (text && *text >= '0' && *text <= '9' && !*end && s <= LIMIT_MAX)
		return s;
	return tag == SM_SPAWN || tag == SM_ADDHOST ? 0 : LIMIT;
}

static void complain(int manager)
{
	char who[64];

	snprintf(who, sizeof who, "the resource manager t%x", (unsigned)manager);
	if (pvmi.auto_err)
		pvmi_say(who, "has not answered yet");
}

/* Time has come to *NEXT (0: none): says so once. False: it has come to the END (0: none), too. */
static bool go_on(int manager, uint64_t *next, uint64_t end)
{
	const uint64_t now = *next ? dvmi_clock_mono() : 0;

	if (!*next || now < *next)
		return true;
	if (end && now >= end)
		return false;
	complain(manager);
	*next = end;
	return true;
}

/* 0, PVMI_NO_MANAGER: it is not that any more, or there is no service; or it does not answer. */
static int wait_reply(int manager, int tag, int wid, struct pvmi_msg **out)
{
	const uint64_t began = dvmi_clock_mono(), limit = limit_of(tag) * DVMI_SEC;
	const uint64_t end = limit ? began + limit : 0;
	struct dvmi_wait w = { .helper = true };

	w.until = end && limit < PATIENCE ? end : began + PATIENCE;
	pvmi_pump();
	while (!(*out = find_reply(manager, tag, wid)) && pvmi.manager == manager && pvmi.fd >= 0) {
		if (!go_on(manager, &w.until, end))
			return PvmDSysErr;
		pvmi_wait(&w);
	}
	if (!*out)
		return PVMI_NO_MANAGER;
	pvmi_unqueue(*out);
	pvmi_msg_unpacking(*out);
	return 0;
}

int pvmi_ask_manager(int tag, struct pvmi_msg *body, struct pvmi_msg **reply)
{
	static int last;
	const int manager = pvmi.manager, wid = ++last;
	size_t len = 0;
	struct pvmi_blob *b = body ? pvmi_msg_bytes(body, &len) : NULL;
	int rc = b ? 0 : PvmNoMem;

	if (b) {
		body->tag = tag;
		body->wid = wid;
		rc = pvmi_send_blob(manager, body, b, len);
		pvmi_blob_unref(b);
	}
	pvmi_msg_free(body);
	return rc < 0 || !reply ? rc : wait_reply(manager, tag, wid, reply);
}
