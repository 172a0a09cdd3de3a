/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/manager.h"

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

/* NULL: it is not the manager any more, or there is no service. */
static struct pvmi_msg *wait_reply(int manager, int tag, int wid)
{
	struct dvmi_wait w = { .helper = true };
	struct pvmi_msg *m;

	pvmi_pump();
	while (!(m = find_reply(manager, tag, wid)) && pvmi.manager == manager && pvmi.fd >= 0)
		pvmi_wait(&w);
	if (!m)
		return NULL;
	pvmi_unqueue(m);
	pvmi_msg_unpacking(m);
	return m;
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
	if (rc < 0 || !reply)
		return rc;
	*reply = wait_reply(manager, tag, wid);
	return *reply ? 0 : PVMI_NO_MANAGER;
}
