/* SPDX-License-Identifier: BSD-3-Clause */
/* Bodies of messages as PVM packs them: what tasks that take over work are told, and say. */
#ifndef PVM_XDR_H
#define PVM_XDR_H

#include "libdvm/base/buf.h"

void pvm_xdr_put_int(struct dvmi_buf *b, int v);
void pvm_xdr_put_str(struct dvmi_buf *b, const char *s);
/* COUNT strings, behind their number. */
void pvm_xdr_put_list(struct dvmi_buf *b, const char *const *v, int count);

/* Errors stay in R, as with dvmi_get_…(). */
int pvm_xdr_int(struct dvmi_reader *r);
/* A copy, the caller's; NULL on an error. */
char *pvm_xdr_str(struct dvmi_reader *r);
/* A list behind its number *N, ended by NULL, with FIRST free places in front; NULL on an error. */
char **pvm_xdr_list(struct dvmi_reader *r, uint32_t *n, uint32_t first);

#endif
