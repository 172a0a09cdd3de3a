/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages inside of messages. */
#include <string.h>

#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/state.h"

/* What a message inside of another one begins with. */
enum { IN_LEN, IN_CTX, IN_TAG, IN_WID, IN_ENC, IN_CRC, IN_SRC, IN_DST, IN_PAD, IN_HEAD };

static int pack_into(struct pvmi_msg *to, const struct pvmi_msg *m, bool head)
{
	const int h[IN_HEAD] = { [IN_LEN] = (int)m->len, [IN_CTX] = m->ctx, [IN_TAG] = m->tag,
				 [IN_WID] = m->wid,	 [IN_ENC] = m->enc, [IN_CRC] = m->crc,
				 [IN_SRC] = m->src,	 [IN_DST] = m->dst };

	if (m->npieces || to->enc == PVMI_ENC_PLACE)
		return PvmNotImpl;
	if (m->len > INT32_MAX)
		return PvmOverflow;
	int rc = head ? pvmi_pack(to, PVM_INT, h, IN_HEAD, 1) : 0;
	return rc < 0 || !m->len ? rc : pvmi_pack_bytes(to, pvmi_blob_data(m->blob), m->len);
}

static int pack_message(const char *call, int mid, bool head)
{
	struct pvmi_msg *m = pvmi_mids_get(&pvmi.mids, mid);

	if (mid <= 0)
		return pvmi_result(call, PvmBadParam);
	if (!m)
		return pvmi_result(call, PvmNoSuchBuf);
	if (!pvmi.sbuf)
		return pvmi_result(call, PvmNoBuf);
	if (m == pvmi.sbuf)
		return pvmi_result(call, PvmBadParam);
	pvmi_msg_packing(pvmi.sbuf);
	return pvmi_result(call, pack_into(pvmi.sbuf, m, head));
}

int pvm_pkmesg(int buffer)
{
	return pack_message("pvm_pkmesg", buffer, true);
}

int pvm_pkmesgbody(int buffer)
{
	return pack_message("pvm_pkmesgbody", buffer, false);
}

/* The message that is next in FROM, as one of its own: its number. */
static int unpack_message(struct pvmi_msg *from)
{
	int h[IN_HEAD], rc = pvmi_unpack(from, PVM_INT, h, IN_HEAD, 1);

	if (rc < 0)
		return rc;
	if (h[IN_LEN] < 0 || (size_t)h[IN_LEN] > pvmi_msg_left(from))
		return PvmBadMsg;
	struct pvmi_msg *m = pvmi_msg_new(h[IN_ENC]);
	if (!m)
		return PvmNoMem;
	m->ctx = h[IN_CTX];
	m->tag = h[IN_TAG];
	m->wid = h[IN_WID];
	m->src = h[IN_SRC];
	m->dst = h[IN_DST];
	rc = pvmi_pack_bytes(m, pvmi_blob_data(from->blob) + from->at, (size_t)h[IN_LEN]);
	if (rc == 0)
		rc = pvmi_mids_add(&pvmi.mids, m);
	if (rc < 0)
		pvmi_msg_free(m);
	else
		from->at += (size_t)h[IN_LEN];
	return rc;
}

int pvm_upkmesg(void)
{
	if (!pvmi.rbuf)
		return pvmi_result("pvm_upkmesg", PvmNoBuf);
	pvmi_msg_unpacking(pvmi.rbuf);
	return pvmi_result("pvm_upkmesg", unpack_message(pvmi.rbuf));
}
