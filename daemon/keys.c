/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/keys.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

/* One line: what it is, so that nobody mistakes it for something to share, and the key in hex. */
#define FILE_HEAD  "dvm-secret-key-1 "
#define FILE_BYTES (sizeof FILE_HEAD - 1 + 2 * DVMD_KEYS_BYTES + 1)

static_assert(DVMD_KEYS_BYTES == crypto_box_SECRETKEYBYTES, "CURVE keys are crypto_box keys");
static_assert(DVMD_KEYS_BYTES == crypto_box_PUBLICKEYBYTES, "CURVE keys are crypto_box keys");

void dvmd_keys_wipe(struct dvmd_keys *keys)
{
	sodium_memzero(keys->secret_key, sizeof keys->secret_key);
}

/* 0 when nobody but us can have read or written the file. */
static int check_owner(int fd, const char *path, dvm_error_t *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return dvmi_error_code(err, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return dvmi_error_set(err, -EBADMSG, "%s: not a regular file", path);
	if (st.st_uid != geteuid())
		return dvmi_error_set(err, -EACCES,
				      "%s: belongs to uid %u, and this daemon runs as uid %u", path,
				      st.st_uid, geteuid());
	if (st.st_mode & 077)
		return dvmi_error_set(err, -EACCES,
				      "%s: others may read this secret key (mode %04o): 'chmod "
				      "600' it, or remove it if it may have been copied",
				      path, st.st_mode & 07777);
	return 0;
}

static int read_secret(int fd, uint8_t secret[DVMD_KEYS_BYTES])
{
	char text[FILE_BYTES + 1];
	size_t len = 0;

	ssize_t n = read(fd, text, sizeof text);
	bool good = n == FILE_BYTES && !memcmp(text, FILE_HEAD, sizeof FILE_HEAD - 1) &&
		    text[FILE_BYTES - 1] == '\n' &&
		    sodium_hex2bin(secret, DVMD_KEYS_BYTES, text + sizeof FILE_HEAD - 1,
				   2 * DVMD_KEYS_BYTES, NULL, &len, NULL) == 0 &&
		    len == DVMD_KEYS_BYTES;
	sodium_memzero(text, sizeof text);
	return n < 0 ? -errno : good ? 0 : -EBADMSG;
}

static int read_keys(struct dvmd_keys *out, const char *path, dvm_error_t *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct dvmd_keys keys;

	if (fd < 0)
		return dvmi_error_code(err, -errno, "%s", path);
	int rc = check_owner(fd, path, err);
	if (rc < 0)
		return rc;
	rc = read_secret(fd, keys.secret_key);
	if (rc == 0 && crypto_scalarmult_base(keys.public_key, keys.secret_key) != 0)
		rc = -EBADMSG;
	if (rc == 0)
		*out = keys;
	dvmd_keys_wipe(&keys);
	if (rc == -EBADMSG)
		return dvmi_error_set(err, rc,
				      "%s: not a key of dvm: remove it to give this node a new "
				      "identity",
				      path);
	return rc < 0 ? dvmi_error_code(err, rc, "%s", path) : 0;
}

static int write_fresh(int fd)
{
	uint8_t public_key[DVMD_KEYS_BYTES], secret[DVMD_KEYS_BYTES];
	char text[FILE_BYTES + 1] = FILE_HEAD;

	crypto_box_keypair(public_key, secret);
	sodium_bin2hex(text + sizeof FILE_HEAD - 1, 2 * DVMD_KEYS_BYTES + 1, secret, sizeof secret);
	text[FILE_BYTES - 1] = '\n';
	ssize_t n = write(fd, text, FILE_BYTES);
	int rc = n < 0 ? -errno : n != FILE_BYTES ? -ENOSPC : fsync(fd) < 0 ? -errno : 0;
	sodium_memzero(secret, sizeof secret);
	sodium_memzero(text, sizeof text);
	return rc;
}

static int sync_directory(const char *path)
{
	cleanup_free char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	cleanup_fd int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/*
 * Whole under another name first, then linked to PATH, which fails if somebody was faster: a
 * reader finds a whole key or none, and never two different ones. 1, or 0 when it was there
 * already.
 */
static int create(const char *path)
{
	char temporary[PATH_MAX];

	if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary)
		return -ENAMETOOLONG;
	cleanup_fd int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return -errno;
	int rc = write_fresh(fd);
	if (rc == 0 && link(temporary, path) < 0)
		rc = -errno;
	unlink(temporary);
	if (rc == -EEXIST)
		return 0;
	if (rc == 0)
		rc = sync_directory(path);
	return rc < 0 ? rc : 1;
}

int dvmd_keys_load(struct dvmd_keys *out, const char *path, dvm_error_t *err)
{
	int created = 0;

	if (sodium_init() < 0)
		return dvmi_error_set(err, -EIO, "libsodium does not start");
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		created = create(path);
		if (created < 0)
			return dvmi_error_code(err, created, "cannot make the key %s", path);
	}
	int rc = read_keys(out, path, err);
	return rc < 0 ? rc : created;
}
