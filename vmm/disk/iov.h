/* Copies between a flat buffer and a request's scattered one, front to back. Used below virtio-blk only. */
#ifndef VMB_VMM_DISK_IOV_H
#define VMB_VMM_DISK_IOV_H

#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

/* A place in an iovec array. */
struct iov_cursor {
	const struct iovec *iov;
	unsigned int count; /* entries from IOV on */
	size_t at;	    /* in the first of them */
};

/* At the beginning of IOV (borrowed), of COUNT entries. */
static inline struct iov_cursor iov_cursor_make(const struct iovec *iov, unsigned int count)
{
	return (struct iov_cursor){iov, count, 0};
}

/* The next contiguous piece, at most LEN bytes; moves behind it. Its length is 0 only at the end. */
static inline struct iovec iov_cursor_take(struct iov_cursor *cursor, size_t len)
{
	struct iovec piece = {0};

	while (cursor->count && cursor->at == cursor->iov->iov_len) {
		cursor->iov++;
		cursor->count--;
		cursor->at = 0;
	}
	if (!cursor->count || !len)
		return piece;
	piece.iov_base = (uint8_t *)cursor->iov->iov_base + cursor->at;
	piece.iov_len = cursor->iov->iov_len - cursor->at;
	if (piece.iov_len > len)
		piece.iov_len = len;
	cursor->at += piece.iov_len;
	return piece;
}

/* LEN bytes further, or to the end. So do the others: LEN bytes, or as many as there are. */
static inline void iov_cursor_skip(struct iov_cursor *cursor, size_t len)
{
	struct iovec piece;

	while (len && (piece = iov_cursor_take(cursor, len)).iov_len)
		len -= piece.iov_len;
}

/* From the cursor to BUF. */
static inline void iov_cursor_read(struct iov_cursor *cursor, void *buf, size_t len)
{
	uint8_t *to = buf;
	struct iovec piece;

	for (; len && (piece = iov_cursor_take(cursor, len)).iov_len; len -= piece.iov_len) {
		memcpy(to, piece.iov_base, piece.iov_len);
		to += piece.iov_len;
	}
}

/* From BUF to the cursor. */
static inline void iov_cursor_write(struct iov_cursor *cursor, const void *buf, size_t len)
{
	const uint8_t *from = buf;
	struct iovec piece;

	for (; len && (piece = iov_cursor_take(cursor, len)).iov_len; len -= piece.iov_len) {
		memcpy(piece.iov_base, from, piece.iov_len);
		from += piece.iov_len;
	}
}

/* Zeroes what is at the cursor. */
static inline void iov_cursor_zero(struct iov_cursor *cursor, size_t len)
{
	struct iovec piece;

	for (; len && (piece = iov_cursor_take(cursor, len)).iov_len; len -= piece.iov_len)
		memset(piece.iov_base, 0, piece.iov_len);
}

#endif
