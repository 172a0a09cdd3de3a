/* SPDX-License-Identifier: BSD-3-Clause */
/* Mailboxes, and what PVM 3.3 had in their place. */
#include <stdlib.h>

#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/state.h"

#define EXACT 0x40000000 /* this index and no other */

static void put_head(struct dvmi_buf *b, uint32_t op, const char *name, int index, int flags)
{
	dvmi_buf_put_u32(b, op);
	dvmi_buf_put_str(b, name);
	dvmi_buf_put_u32(b, (uint32_t)index);
	dvmi_buf_put_u32(b, (uint32_t)flags);
}

static int check(const char *name, int index)
{
	return name && *name && index >= 0 ? pvmi_enrol() : PvmBadParam;
}

/* ---- put ---- */

static int put(const char *name, struct pvmi_msg *m, int index, int flags)
{
	struct dvmi_buf args = { 0 };
	size_t len;
	struct pvmi_blob *b = pvmi_msg_bytes(m, &len);

	if (!b)
		return PvmNoMem;
	put_head(&args, PVMI_MBOX_PUT, name, index, flags);
	dvmi_buf_put_u32(&args, (uint32_t)(m->enc == PVMI_ENC_PLACE ? PVMI_ENC_RAW : m->enc));
	dvmi_buf_put_blob(&args, pvmi_blob_data(b), (uint32_t)len);
	int rc = len > INT32_MAX ? PvmOverflow : pvmi_ask(PVMI_MBOX, &args, NULL);
	dvmi_buf_free(&args);
	pvmi_blob_unref(b);
	return rc;
}

int pvm_putinfo(char *name, int buffer, int flags)
{
	int rc = check(name, 0);
	struct pvmi_msg *m = pvmi_mids_get(&pvmi.mids, buffer);

	if (rc == 0 && !m)
		rc = buffer <= 0 ? PvmBadParam : PvmNoSuchBuf;
	if (rc == 0)
		rc = put(name, m, (int)PvmMboxDirectIndexOf(flags), flags);
	return pvmi_result("pvm_putinfo", rc);
}

/* ---- get ---- */

/* The entry as a message with a number; its index to *INDEX. */
static int take(const struct dvmi_buf *body, int *index)
{
	struct dvmi_reader r;
	uint32_t len;

	dvmi_reader_init(&r, body->data, body->len);
	*index = (int)dvmi_get_u32(&r);
	int owner = (int)dvmi_get_u32(&r);
	dvmi_get_u32(&r);
	struct pvmi_msg *m = pvmi_msg_new((int)dvmi_get_u32(&r));
	const uint8_t *bytes = dvmi_get_blob(&r, PVMI_FRAME_MAX, &len);
	int rc = !m ? PvmNoMem : !bytes ? PvmBadMsg : pvmi_pack_bytes(m, bytes, len);
	if (rc == 0)
		rc = pvmi_mids_add(&pvmi.mids, m);
	if (rc < 0) {
		pvmi_msg_free(m);
		return rc;
	}
	m->src = owner;
	m->dst = pvmi.tid;
	pvmi.rbuf = m;
	return rc;
}

static int get(const char *name, int index, int flags, int *at)
{
	struct dvmi_buf args = { 0 }, body;

	put_head(&args, PVMI_MBOX_GET, name, index, flags);
	int rc = pvmi_ask(PVMI_MBOX, &args, &body);
	if (rc >= 0)
		rc = take(&body, at);
	dvmi_buf_free(&args);
	dvmi_buf_free(&body);
	return rc;
}

int pvm_recvinfo(char *name, int index, int flags)
{
	int at, rc = check(name, index);

	if (rc == 0)
		rc = get(name, index, flags, &at);
	/* That there is none is an answer, and no error to be told of. */
	return rc == PvmNotFound ? pvmi_quiet(rc) : pvmi_result("pvm_recvinfo", rc);
}

/* ---- delete, list ---- */

static int del(const char *name, int index, int flags)
{
	struct dvmi_buf args = { 0 };
	int rc = check(name, index);

	if (rc < 0)
		return rc;
	put_head(&args, PVMI_MBOX_DEL, name, index, flags);
	rc = pvmi_ask(PVMI_MBOX, &args, NULL);
	dvmi_buf_free(&args);
	return rc;
}

int pvm_delinfo(char *name, int index, int flags)
{
	return pvmi_result("pvm_delinfo", del(name, index, flags));
}

static struct pvmmboxinfo *classes;
static int nclasses;

static void forget(void)
{
	for (int i = 0; i < nclasses; i++) {
		free(classes[i].mi_name);
		free(classes[i].mi_indices);
		free(classes[i].mi_owners);
		free(classes[i].mi_flags);
	}
	free(classes);
	classes = NULL;
	nclasses = 0;
}

static int take_class(struct dvmi_reader *r, struct pvmmboxinfo *c)
{
	c->mi_name = dvmi_get_str(r, PVMI_NAME_MAX);
	uint32_t n = dvmi_get_u32(r);
	if (r->err || n > (size_t)(r->end - r->p) / 12)
		return PvmBadMsg;
	c->mi_indices = calloc(n + 1, sizeof(int));
	c->mi_owners = calloc(n + 1, sizeof(int));
	c->mi_flags = calloc(n + 1, sizeof(int));
	if (!c->mi_indices || !c->mi_owners || !c->mi_flags)
		return PvmNoMem;
	c->mi_nentries = (int)n;
	for (uint32_t i = 0; i < n; i++) {
		c->mi_indices[i] = (int)dvmi_get_u32(r);
		c->mi_owners[i] = (int)dvmi_get_u32(r);
		c->mi_flags[i] = (int)dvmi_get_u32(r);
	}
	return 0;
}

static int take_classes(const struct dvmi_buf *body)
{
	struct dvmi_reader r;
	int rc = 0;

	forget();
	dvmi_reader_init(&r, body->data, body->len);
	uint32_t n = dvmi_get_u32(&r);
	if (r.err || n > body->len / 8)
		return PvmBadMsg;
	classes = calloc(n + 1, sizeof *classes);
	if (!classes)
		return PvmNoMem;
	for (uint32_t i = 0; i < n && rc == 0; i++) {
		nclasses++;
		rc = take_class(&r, &classes[i]);
	}
	return rc;
}

int pvm_getmboxinfo(char *pattern, int *n, struct pvmmboxinfo **info)
{
	struct dvmi_buf args = { 0 }, body;
	int rc = pvmi_enrol();

	if (rc < 0)
		return pvmi_result("pvm_getmboxinfo", rc);
	put_head(&args, PVMI_MBOX_LIST, pattern ? pattern : "", 0, 0);
	rc = pvmi_ask(PVMI_MBOX, &args, &body);
	if (rc >= 0)
		rc = take_classes(&body);
	dvmi_buf_free(&args);
	dvmi_buf_free(&body);
	if (rc == 0 && n)
		*n = nclasses;
	if (rc == 0 && info)
		*info = classes;
	return pvmi_result("pvm_getmboxinfo", rc);
}

/* ---- PVM 3.3: a number under a name ---- */

#define OLD_FLAGS (PvmMboxPersistent | PvmMboxMultiInstance)

int pvm_insert(char *name, int index, int data)
{
	int rc = check(name, index < 0 ? 0 : index);
	struct pvmi_msg *m = rc == 0 ? pvmi_msg_new(PVMI_ENC_XDR) : NULL;

	if (rc == 0 && !m)
		rc = PvmNoMem;
	if (rc == 0)
		rc = pvmi_pack(m, PVM_INT, &data, 1, 1);
	if (rc == 0)
		rc = put(name, m, index < 0 ? 0 : index, OLD_FLAGS | (index < 0 ? 0 : EXACT));
	pvmi_msg_free(m);
	return pvmi_result("pvm_insert", rc);
}

int pvm_lookup(char *name, int index, int *data)
{
	int at = 0, value, rc = check(name, index < 0 ? 0 : index);

	if (rc == 0)
		rc = get(name, index < 0 ? 0 : index, index < 0 ? PvmMboxFirstAvail : 0, &at);
	if (rc < 0)
		return rc == PvmNotFound ? pvmi_quiet(rc) : pvmi_result("pvm_lookup", rc);
	struct pvmi_msg *m = pvmi_mids_get(&pvmi.mids, rc);
	pvmi_msg_unpacking(m);
	rc = pvmi_unpack(m, PVM_INT, &value, 1, 1);
	pvmi_drop(m);
	if (rc == 0 && data)
		*data = value;
	return rc < 0 ? pvmi_result("pvm_lookup", rc) : at;
}

int pvm_delete(char *name, int index)
{
	return pvmi_result("pvm_delete", del(name, index, 0));
}
