/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text of a token: "dvm1-" and base32 (lower case, no padding) of
 *
 *   server key (32) | seed (16) | checksum (4)
 *
 * base32, since it survives being read out and typed, and a double click takes all of it. The
 * number in front is the version of the layout. The checksum finds typing errors; what makes a
 * token secret is its seed of 128 bits.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/keys.h"
#include "libdvm/base/err.h"

#define SEED_BYTES  16
#define CHECK_BYTES 4
#define CHECKED	    (DVMD_KEYS_BYTES + SEED_BYTES)
#define RAW_BYTES   (CHECKED + CHECK_BYTES)
#define NAME	    "dvm"
#define HEAD	    NAME "1-"
#define HEAD_CHARS  (sizeof HEAD - 1)
#define BODY_CHARS  ((RAW_BYTES * 8 + 4) / 5)

static_assert(HEAD_CHARS + BODY_CHARS + 1 <= DVMD_TOKEN_TEXT, "the text fits");

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

static void to_base32(char *out, const uint8_t *p, size_t n)
{
	uint32_t bits = 0;
	int held = 0;

	for (size_t i = 0; i < n; i++) {
		bits = (bits << 8 | p[i]) & 0xffff;
		for (held += 8; held >= 5; held -= 5)
			*out++ = alphabet[bits >> (held - 5) & 31];
	}
	if (held)
		*out++ = alphabet[bits << (5 - held) & 31];
	*out = '\0';
}

/* BODY_CHARS characters to RAW_BYTES bytes; false for a character that is none of the alphabet. */
static bool from_base32(uint8_t *out, const char *text)
{
	uint32_t bits = 0;
	int held = 0;

	for (size_t i = 0; i < BODY_CHARS; i++) {
		int c = tolower((unsigned char)text[i]);
		const char *at = c ? strchr(alphabet, c) : NULL;
		if (!at)
			return false;
		bits = (bits << 5 | (uint32_t)(at - alphabet)) & 0xffff;
		held += 5;
		if (held >= 8) {
			held -= 8;
			*out++ = (uint8_t)(bits >> held);
		}
	}
	return (bits & ((1u << held) - 1)) == 0;
}

static void checksum(uint8_t out[CHECK_BYTES], const uint8_t raw[CHECKED])
{
	uint8_t hash[crypto_generichash_BYTES];

	crypto_generichash(hash, sizeof hash, raw, CHECKED, (const uint8_t *)HEAD, HEAD_CHARS);
	memcpy(out, hash, CHECK_BYTES);
}

static void seed_keys(struct dvmd_keys *out, const uint8_t seed[SEED_BYTES])
{
	static const char purpose[] = "dvm token key pair";
	uint8_t wide[crypto_box_SEEDBYTES];

	crypto_generichash(wide, sizeof wide, seed, SEED_BYTES, (const uint8_t *)purpose,
			   sizeof purpose - 1);
	crypto_box_seed_keypair(out->public_key, out->secret_key, wide);
	sodium_memzero(wide, sizeof wide);
}

int dvmd_token_make(char text[DVMD_TOKEN_TEXT], uint8_t public_key[DVMD_KEYS_BYTES],
		    const uint8_t server_key[DVMD_KEYS_BYTES])
{
	uint8_t raw[RAW_BYTES];
	struct dvmd_keys keys;

	if (sodium_init() < 0)
		return -EIO;
	memcpy(raw, server_key, DVMD_KEYS_BYTES);
	randombytes_buf(raw + DVMD_KEYS_BYTES, SEED_BYTES);
	checksum(raw + CHECKED, raw);
	memcpy(text, HEAD, HEAD_CHARS);
	to_base32(text + HEAD_CHARS, raw, sizeof raw);
	seed_keys(&keys, raw + DVMD_KEYS_BYTES);
	memcpy(public_key, keys.public_key, DVMD_KEYS_BYTES);
	dvmd_keys_wipe(&keys);
	sodium_memzero(raw, sizeof raw);
	return 0;
}

/* The token without the white space around it: its length, and where it starts. */
static size_t trim(const char **text)
{
	while (isspace((unsigned char)**text))
		++*text;
	size_t n = strlen(*text);
	while (n && isspace((unsigned char)(*text)[n - 1]))
		n--;
	return n;
}

/* 0 when TEXT of N bytes starts as a token that we can read does. */
static int check_head(const char *text, size_t n, dvm_error_t *err)
{
	if (n >= HEAD_CHARS && !strncasecmp(text, HEAD, HEAD_CHARS))
		return 0;
	size_t digits = n > sizeof NAME - 1 ? strspn(text + sizeof NAME - 1, "0123456789") : 0;
	if (digits && !strncasecmp(text, NAME, sizeof NAME - 1) &&
	    text[sizeof NAME - 1 + digits] == '-')
		return dvmi_error_set(err, -DVM_EVERSION,
				      "this token was made by another release of dvm");
	return dvmi_error_set(err, -EINVAL, "not a token: one starts with \"" HEAD "\"");
}

int dvmd_token_parse(struct dvmd_token *out, const char *text, dvm_error_t *err)
{
	uint8_t raw[RAW_BYTES], check[CHECK_BYTES];
	size_t n = trim(&text);
	int rc = check_head(text, n, err);

	if (rc < 0)
		return rc;
	if (sodium_init() < 0)
		return dvmi_error_set(err, -EIO, "libsodium does not start");
	if (n != HEAD_CHARS + BODY_CHARS)
		return dvmi_error_set(err, -EINVAL,
				      "the token is damaged: %zu characters instead of %zu: was it "
				      "copied whole?",
				      n, HEAD_CHARS + BODY_CHARS);
	bool good = from_base32(raw, text + HEAD_CHARS);
	if (good)
		checksum(check, raw);
	if (!good || memcmp(check, raw + CHECKED, CHECK_BYTES))
		return dvmi_error_set(
			err, -EINVAL,
			"the token is damaged: a character is wrong: was it copied whole?");
	memcpy(out->server_key, raw, DVMD_KEYS_BYTES);
	seed_keys(&out->keys, raw + DVMD_KEYS_BYTES);
	sodium_memzero(raw, sizeof raw);
	return 0;
}
