// SPDX-License-Identifier: BSD-3-Clause
/* Fortran: buffers, packing, messages, contexts, handlers. */
#include "libdvm/pvm3/fortran.h"
#include "libdvm/pvm3/typed.h"

/* ---- buffers ---- */

void pvmfinitsend_(int *encoding, int *bufid)
{
	*bufid = pvm_initsend(*encoding);
}

void pvmfmkbuf_(int *encoding, int *bufid)
{
	*bufid = pvm_mkbuf(*encoding);
}

void pvmffreebuf_(int *bufid, int *info)
{
	*info = pvm_freebuf(*bufid);
}

void pvmfgetsbuf_(int *bufid)
{
	*bufid = pvm_getsbuf();
}

void pvmfsetsbuf_(int *bufid, int *old)
{
	*old = pvm_setsbuf(*bufid);
}

void pvmfgetrbuf_(int *bufid)
{
	*bufid = pvm_getrbuf();
}

void pvmfsetrbuf_(int *bufid, int *old)
{
	*old = pvm_setrbuf(*bufid);
}

void pvmfbufinfo_(int *bufid, int *bytes, int *tag, int *tid, int *info)
{
	*info = pvm_bufinfo(*bufid, bytes, tag, tid);
}

/* ---- packing ---- */

/* A STRING is so many characters, no more than that: without its length and without an end. */
void pvmfpack_(int *what, void *from, int *count, int *stride, int *info)
{
	*info = pvmi_typed_pack(*what, from, *count, *stride);
}

void pvmfunpack_(int *what, void *to, int *count, int *stride, int *info)
{
	*info = pvmi_typed_unpack(*what, to, *count, *stride);
}

/* ---- messages ---- */

void pvmfsend_(int *tid, int *tag, int *info)
{
	*info = pvm_send(*tid, *tag);
}

void pvmfmcast_(int *count, int *tids, int *tag, int *info)
{
	*info = pvm_mcast(tids, *count, *tag);
}

void pvmfrecv_(int *tid, int *tag, int *bufid)
{
	*bufid = pvm_recv(*tid, *tag);
}

void pvmfnrecv_(int *tid, int *tag, int *bufid)
{
	*bufid = pvm_nrecv(*tid, *tag);
}

/* -1 seconds are for ever. */
void pvmftrecv_(int *tid, int *tag, int *seconds, int *microseconds, int *bufid)
{
	struct timeval t = { *seconds, *microseconds };

	*bufid = pvm_trecv(*tid, *tag, *seconds == -1 ? NULL : &t);
}

void pvmfprobe_(int *tid, int *tag, int *bufid)
{
	*bufid = pvm_probe(*tid, *tag);
}

void pvmfpsend_(int *tid, int *tag, void *data, int *count, int *type, int *info)
{
	*info = pvm_psend(*tid, *tag, data, *count, *type);
}

void pvmfprecv_(int *tid, int *tag, void *data, int *count, int *type, int *rtid, int *rtag,
		int *rcount, int *info)
{
	*info = pvm_precv(*tid, *tag, data, *count, *type, rtid, rtag, rcount);
}

void pvmfnotify_(int *what, int *tag, int *count, int *tids, int *info)
{
	*info = pvm_notify(*what, *tag, *count, tids);
}

/* ---- contexts and handlers ---- */

void pvmfnewcontext_(int *context)
{
	*context = pvm_newcontext();
}

void pvmfsetcontext_(int *context, int *old)
{
	*old = pvm_setcontext(*context);
}

void pvmfgetcontext_(int *context)
{
	*context = pvm_getcontext();
}

void pvmffreecontext_(int *context, int *info)
{
	*info = pvm_freecontext(*context);
}

/* PVM has never looked at the fourth argument; HANDLER gets its buffer by value. */
void pvmfaddmhf_(int *src, int *tag, int *context, void *unused, int (*handler)(int buf), int *id)
{
	(void)unused;
	*id = pvm_addmhf(*src, *tag, *context, handler);
}

void pvmfdelmhf_(int *id, int *info)
{
	*info = pvm_delmhf(*id);
}
