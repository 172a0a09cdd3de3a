/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Error codes of the dvm library.
 *
 * Every call that can fail returns an int: zero or more is success, less is the negative of an
 * errno value (-ENOMEM, -EINVAL, …) or of one of the codes below, which start where no errno and
 * no libfabric code reaches. errno itself is never part of the interface.
 */
#ifndef DVM_ERROR_H
#define DVM_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#define DVM_PUBLIC __attribute__((visibility("default")))

enum {
	DVM_EPEERLOST = 512,  /* the rank or node at the other end is gone */
	DVM_ENOQUORUM = 513,  /* the leader of the machine is out of reach */
	DVM_ESTALEVIEW = 514, /* the sender acts on a view that is no longer current */
	DVM_EPROTO = 515,     /* a message that does not follow the protocol */
	DVM_EVERSION = 516,   /* the other side speaks no protocol version we know */
	DVM_EAUTH = 517,      /* key, token or credential refused */
	DVM_ETRUNC = 518,     /* the message was longer than the buffer; the rest is lost */
	DVM_ENOMACHINE = 519, /* no dvm machine is running here */
	DVM_ENOSLOTS = 520,   /* more ranks asked for than the machine has room for */
	DVM_EREVOKED = 521,   /* the group or job was closed by another member */
	DVM_ECLOSED = 522,    /* the peer has closed its handle; it takes no more messages */
};

/* Bytes of text in a dvm_error_t, the final NUL included. */
#define DVM_ERROR_TEXT_MAX 512

/*
 * A failure that a person will read: the code beside one line that says who failed, where, and
 * what to do. The caller owns it; calls that take a dvm_error_t * accept NULL.
 */
typedef struct dvm_error {
	int code; /* as returned by the call, negative; 0 where nothing failed */
	char text[DVM_ERROR_TEXT_MAX];
} dvm_error_t;

/*
 * The text of CODE (either sign), never NULL. The string is constant for known codes; for an
 * unknown one it is "unknown error". Any thread may call.
 */
DVM_PUBLIC const char *dvm_strerror(int code);

#ifdef __cplusplus
}
#endif

#endif
