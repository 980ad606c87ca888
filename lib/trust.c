/* See include/trust.h. The only user of libsodium beside lib/password.c. */
#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium/core.h>
#include <sodium/crypto_generichash.h>
#include <sodium/crypto_hash_sha256.h>
#include <sodium/crypto_sign.h>
#include <sodium/utils.h>

#include "loop.h"

#define HASH_SIZE      64
#define COMMENT	       "untrusted comment: "
#define TRUSTED	       "trusted comment: "
#define COMMENT_MAX    1024
#define BASE64_VARIANT sodium_base64_VARIANT_ORIGINAL

/* The second line of a signature file. */
struct signature {
	uint8_t algorithm[2]; /* "Ed": of the data, "ED": of its hash */
	uint8_t id[8];
	uint8_t bytes[crypto_sign_BYTES];
};

/*
 * What the library calls when it is called against its contract. Its own stands in one object with sodium_init(), which
 * would bring every cipher it has into a static program: 70 kB that nothing here calls. Hashing and verifying need no
 * sodium_init(): it only picks faster code and opens a generator of random numbers.
 */
void sodium_misuse(void)
{
	abort();
}

const char *const trust_signature_ends[] = {".minisig", ".sig", NULL};

size_t trust_read_signature(const char *file, char *text)
{
	char path[PATH_MAX];
	ssize_t n = 0;

	for (size_t i = 0; trust_signature_ends[i] && n <= 0; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s%s", file, trust_signature_ends[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0)
			continue;
		n = read(fd, text, TRUST_SIGNATURE_MAX);
		close(fd);
	}
	return n > 0 ? (size_t)n : 0;
}

/* Decodes exactly SIZE bytes from N characters. */
static int decode(const char *text, size_t n, void *ret, size_t size)
{
	size_t got;

	if (sodium_base642bin(ret, size, text, n, NULL, &got, NULL, BASE64_VARIANT) != 0 ||
	    got != size)
		return -EINVAL;
	return 0;
}

int trust_parse_key(const char *base64, struct trust_key *ret_key)
{
	struct {
		uint8_t algorithm[2];
		struct trust_key key;
	} raw;

	if (decode(base64, strlen(base64), &raw, sizeof(raw)) < 0 ||
	    memcmp(raw.algorithm, "Ed", 2) != 0)
		return -EINVAL;
	*ret_key = raw.key;
	return 0;
}

/* Takes the next line of *text (*n bytes left); its length without the line break, or -EINVAL at the end. */
static int take_line(const char **text, size_t *n, const char **ret_line)
{
	const char *end = memchr(*text, '\n', *n);
	size_t len = end ? (size_t)(end - *text) : *n;

	if (*n == 0)
		return -EINVAL;
	*ret_line = *text;
	*text += len + (end != NULL);
	*n -= len + (end != NULL);
	if (len > 0 && (*ret_line)[len - 1] == '\r')
		len--;
	return (int)len;
}

static int hash_data(const void *data, size_t n, uint8_t hash[HASH_SIZE])
{
	return crypto_generichash(hash, HASH_SIZE, data, n, NULL, 0) == 0 ? 0 : -EIO;
}

static const struct trust_key *find_key(const struct trust_key *keys, unsigned int count,
					const uint8_t id[8])
{
	for (unsigned int i = 0; i < count; i++)
		if (memcmp(keys[i].id, id, sizeof(keys[i].id)) == 0)
			return &keys[i];
	return NULL;
}

/*
 * What follows in a minisign file: a comment, and a signature over the first one and the comment. signify
 * has none of it.
 */
static int check_comment(const struct trust_key *key, const struct signature *signature,
			 const char *text, size_t n)
{
	uint8_t global[crypto_sign_BYTES], message[sizeof(signature->bytes) + COMMENT_MAX];
	const char *line;
	int len = take_line(&text, &n, &line);
	size_t comment;

	if (len < 0)
		return signature->algorithm[1] == 'd' ? 0 : -EBADMSG;
	if ((size_t)len < strlen(TRUSTED) || memcmp(line, TRUSTED, strlen(TRUSTED)) != 0 ||
	    (size_t)len - strlen(TRUSTED) > COMMENT_MAX)
		return -EBADMSG;
	comment = (size_t)len - strlen(TRUSTED);
	memcpy(message, signature->bytes, sizeof(signature->bytes));
	memcpy(message + sizeof(signature->bytes), line + strlen(TRUSTED), comment);
	len = take_line(&text, &n, &line);
	if (len < 0 || decode(line, (size_t)len, global, sizeof(global)) < 0 || n > 0)
		return -EBADMSG;
	return crypto_sign_verify_detached(global, message, sizeof(signature->bytes) + comment,
					   key->key) == 0
		       ? 0
		       : -EKEYREJECTED;
}

static int check_data(const struct trust_key *key, const struct signature *signature,
		      const void *data, size_t n)
{
	uint8_t hash[HASH_SIZE];

	if (signature->algorithm[1] == 'D') {
		if (hash_data(data, n, hash) < 0)
			return -EIO;
		data = hash;
		n = sizeof(hash);
	}
	return crypto_sign_verify_detached(signature->bytes, data, n, key->key) == 0
		       ? 0
		       : -EKEYREJECTED;
}

static int parse_signature(const char **text, size_t *n, struct signature *ret)
{
	const char *line;
	int len = take_line(text, n, &line);

	if (len < (int)strlen(COMMENT) || memcmp(line, COMMENT, strlen(COMMENT)) != 0)
		return -EBADMSG;
	len = take_line(text, n, &line);
	if (len < 0 || decode(line, (size_t)len, ret, sizeof(*ret)) < 0 ||
	    ret->algorithm[0] != 'E' || (ret->algorithm[1] != 'd' && ret->algorithm[1] != 'D'))
		return -EBADMSG;
	return 0;
}

int trust_check(const struct trust_key *keys, unsigned int count, const void *data, size_t n,
		const char *text, size_t text_n, struct vmb_err *err)
{
	const struct trust_key *key;
	struct signature signature;
	int rc = parse_signature(&text, &text_n, &signature);

	if (rc < 0)
		return vmb_err_set(err, -rc, "has a damaged signature");
	key = find_key(keys, count, signature.id);
	if (!key)
		return vmb_err_set(err, ENOKEY, "is signed by a key that is not trusted");
	rc = check_data(key, &signature, data, n);
	if (rc == 0)
		rc = check_comment(key, &signature, text, text_n);
	if (rc == -EBADMSG)
		return vmb_err_set(err, EBADMSG, "has a damaged signature");
	if (rc < 0)
		return vmb_err_set(err, -rc, "is not what was signed: it was changed");
	return 0;
}

int trust_check_fd(const struct trust_key *keys, unsigned int count, int fd, const char *text,
		   size_t text_n, struct vmb_err *err)
{
	struct stat st;
	void *data;
	int rc;

	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return vmb_err_set(err, EIO, "cannot be read again");
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return vmb_err_set(err, errno, "cannot be read again");
	rc = trust_check(keys, count, data, (size_t)st.st_size, text, text_n, err);
	munmap(data, (size_t)st.st_size);
	return rc;
}

int trust_hash_fd(int fd, uint64_t size, uint64_t until_ms, char ret_hash[TRUST_HASH_SIZE])
{
	uint8_t buf[16384], digest[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state state;
	uint64_t at = 0;

	crypto_hash_sha256_init(&state);
	while (at < size) {
		size_t want = size - at < sizeof(buf) ? (size_t)(size - at) : sizeof(buf);
		ssize_t n;

		if (loop_now_ms() >= until_ms)
			return -ETIMEDOUT;
		n = pread(fd, buf, want, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		crypto_hash_sha256_update(&state, buf, (unsigned long long)n);
		at += (uint64_t)n;
	}
	crypto_hash_sha256_final(&state, digest);
	sodium_bin2hex(ret_hash, TRUST_HASH_SIZE, digest, sizeof(digest));
	return 0;
}
