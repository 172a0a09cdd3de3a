/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers by their numbers: which one is packed into, which one is unpacked, what is known of each. */
#include "libdvm/pvm3/trace.h"

/* The encoding of a message that is packed as KIND says, or PvmBadParam. */
static int encoding(int kind)
{
	switch (kind & ~PvmDataTrace) {
	case PvmDataDefault:
		return PVMI_ENC_XDR;
	case PvmDataRaw:
		return PVMI_ENC_RAW;
	case PvmDataInPlace:
		return PVMI_ENC_PLACE;
	default:
		return PvmBadParam;
	}
}

int pvmi_mkbuf(int kind)
{
	int enc = kind <= PvmDataTrace ? encoding(kind) : PvmBadParam;
	int rc = pvmi_enrol();

	if (rc < 0 || enc < 0)
		return rc < 0 ? rc : enc;
	struct pvmi_msg *m = pvmi_msg_new(enc);
	int mid = m ? pvmi_mids_add(&pvmi.mids, m) : PvmNoMem;
	if (mid < 0)
		pvmi_msg_free(m);
	else
		m->src = pvmi.tid;
	return mid;
}

void pvmi_drop(struct pvmi_msg *m)
{
	if (!m)
		return;
	if (pvmi.sbuf == m)
		pvmi.sbuf = NULL;
	if (pvmi.rbuf == m)
		pvmi.rbuf = NULL;
	pvmi_unqueue(m);
	pvmi_mids_remove(&pvmi.mids, m);
	pvmi_msg_free(m);
}

/* The new one first: so a program sees two numbers in turns. */
int pvmi_initsend(int kind)
{
	int mid = pvmi_mkbuf(kind);

	if (mid < 0)
		return mid;
	pvmi_drop(pvmi.sbuf);
	pvmi.sbuf = pvmi_mids_get(&pvmi.mids, mid);
	return mid;
}

int pvm_mkbuf(int kind)
{
	PVMI_BEGINS(TEV_MKBUF, PVMI_INT(ME, kind));
	int mid = pvmi_mkbuf(kind);
	PVMI_ENDS(TEV_MKBUF, PVMI_INT(MB, mid));
	return pvmi_result("pvm_mkbuf", mid);
}

int pvm_initsend(int kind)
{
	PVMI_BEGINS(TEV_INITSEND, PVMI_INT(ME, kind));
	int mid = pvmi_initsend(kind);
	PVMI_ENDS(TEV_INITSEND, PVMI_INT(MSB, mid));
	return pvmi_result("pvm_initsend", mid);
}

/* The message MID in *M. 0, or what is wrong with MID. */
static int find(int mid, struct pvmi_msg **m)
{
	if (mid <= 0)
		return PvmBadParam;
	*m = pvmi_mids_get(&pvmi.mids, mid);
	return *m ? 0 : PvmNoSuchBuf;
}

int pvm_freebuf(int buffer)
{
	struct pvmi_msg *m = NULL;
	int rc = buffer == 0 ? 0 : find(buffer, &m);

	PVMI_BEGINS(TEV_FREEBUF, PVMI_INT(MB, buffer));
	pvmi_drop(m);
	return pvmi_result("pvm_freebuf", pvmi_ends(TEV_FREEBUF, rc));
}

/* MID takes the place *WHERE; it cannot have the place OTHER as well. The one that had it. */
static int put(const char *call, int mid, struct pvmi_msg **where, struct pvmi_msg **other)
{
	int before = *where ? (*where)->mid : 0;
	struct pvmi_msg *m = NULL;
	int rc = mid == 0 ? 0 : find(mid, &m);

	if (rc < 0)
		return pvmi_result(call, rc);
	*where = m;
	if (*other == m)
		*other = NULL;
	return before;
}

int pvm_setsbuf(int buffer)
{
	return put("pvm_setsbuf", buffer, &pvmi.sbuf, &pvmi.rbuf);
}

int pvm_setrbuf(int buffer)
{
	return put("pvm_setrbuf", buffer, &pvmi.rbuf, &pvmi.sbuf);
}

int pvm_getsbuf(void)
{
	return pvmi.sbuf ? pvmi.sbuf->mid : 0;
}

int pvm_getrbuf(void)
{
	return pvmi.rbuf ? pvmi.rbuf->mid : 0;
}

int pvm_bufinfo(int buffer, int *bytes, int *tag, int *tid)
{
	struct pvmi_msg *m;
	int rc = find(buffer, &m);

	if (rc < 0)
		return pvmi_result("pvm_bufinfo", rc);
	if (bytes)
		*bytes = (int)m->len;
	if (tag)
		*tag = m->tag;
	if (tid)
		*tid = m->src;
	return 0;
}

int pvm_getminfo(int buffer, struct pvmminfo *info)
{
	struct pvmi_msg *m;
	int rc = info ? find(buffer, &m) : PvmBadParam;

	if (rc == 0)
		*info = (struct pvmminfo){ .len = (int)m->len,
					   .ctx = m->ctx,
					   .tag = m->tag,
					   .wid = m->wid,
					   .enc = m->enc,
					   .crc = m->crc,
					   .src = m->src,
					   .dst = m->dst };
	return pvmi_result("pvm_getminfo", rc);
}

/* Length, encoding and checksum are the message's own. */
int pvm_setminfo(int buffer, struct pvmminfo *info)
{
	struct pvmi_msg *m;
	int rc = info ? find(buffer, &m) : PvmBadParam;

	if (rc == 0) {
		m->ctx = info->ctx;
		m->tag = info->tag;
		m->wid = info->wid;
		m->src = info->src;
		m->dst = info->dst;
	}
	return pvmi_result("pvm_setminfo", rc);
}

int pvm_getmwid(int buffer)
{
	struct pvmi_msg *m;
	int rc = find(buffer, &m);

	return pvmi_result("pvm_getmwid", rc < 0 ? rc : m->wid);
}

int pvm_setmwid(int buffer, int wid)
{
	struct pvmi_msg *m;
	int rc = find(buffer, &m);

	if (rc == 0)
		m->wid = wid;
	return pvmi_result("pvm_setmwid", rc);
}
