/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Identities: a node's CURVE key pair, and the one-time tokens by which a node joins.
 *
 * A node is its key pair, kept in one file that only its owner may read. A token is a key pair,
 * too: its public half goes on the machine's allow-list, and the text that a user carries to the
 * joining host holds a seed of the pair and the key of the node that issued it, so that both
 * ends of the handshake know whom they talk to.
 */
#ifndef DVMD_KEYS_H
#define DVMD_KEYS_H

#include <stdint.h>

#include "dvm/error.h"

#define DVMD_KEYS_BYTES 32
/* Bytes of a token's text, the final NUL included. */
#define DVMD_TOKEN_TEXT 96

struct dvmd_keys {
	uint8_t public_key[DVMD_KEYS_BYTES], secret_key[DVMD_KEYS_BYTES];
};

/*
 * Reads the key pair in the file PATH: 0. Makes a fresh one when there is no such file: 1. The
 * directory must exist. When several processes start at once, all get the same pair.
 * -EACCES: others than its owner may read it, or it is not ours; -EBADMSG: it holds no key;
 * -ENOSPC, ….
 */
int dvmd_keys_load(struct dvmd_keys *out, const char *path, dvm_error_t *err);
/* Overwrites the secret half. */
void dvmd_keys_wipe(struct dvmd_keys *keys);

struct dvmd_token {
	uint8_t server_key[DVMD_KEYS_BYTES]; /* of the node to join through */
	struct dvmd_keys keys;
};

/* A fresh token of the node SERVER_KEY: its text, and the public half for the allow-list. */
int dvmd_token_make(char text[DVMD_TOKEN_TEXT], uint8_t public_key[DVMD_KEYS_BYTES],
		    const uint8_t server_key[DVMD_KEYS_BYTES]);

/*
 * Reads what a user typed or pasted; white space around it and the case of letters do not matter.
 * -EINVAL: not a token, or a damaged one (ERR says which); -DVM_EVERSION: made by a later release.
 */
int dvmd_token_parse(struct dvmd_token *out, const char *text, dvm_error_t *err);

#endif
