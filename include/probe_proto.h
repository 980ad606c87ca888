/*
 * Messages of a probe process to who started it (the daemon), over the SOCK_SEQPACKET socket that
 * the probe finds as descriptor PROBE_CONTROL_FD. A probe looks at disks that may be hostile: the
 * receiver checks lengths and terminations and escapes every text.
 *
 *	vmboot probe --device PATH          identity, systems and firmware of one block device
 *	vmboot probe --system               firmware on the running system
 *	vmboot probe --images DIR           disk images in a directory of the running system
 *	vmboot probe --read DEVICE PATH     copies a file from DEVICE to descriptor PROBE_OUT_FD
 *	vmboot probe --read-signed DEVICE PATH   the same, and sends its signature when it has one
 *	vmboot probe --settings DEVICE FSTYPE   the files of settings and variables in the root of DEVICE's file system
 *	vmboot probe --mend DEVICE FSTYPE       mends what a power cut left of DEVICE's file system
 *	vmboot probe --save DEVICE FSTYPE       the same, then writes them: PROBE_SETTINGS messages, then PROBE_DONE, come in first
 */
#ifndef VMB_INCLUDE_PROBE_PROTO_H
#define VMB_INCLUDE_PROBE_PROTO_H

#include <stddef.h>
#include <stdint.h>

#include "store_dir.h"

#define PROBE_CONTROL_FD 3
#define PROBE_OUT_FD	 4

/* A device with more firmware files than this is told up to here. */
#define PROBE_MAX_FIRMWARES 32

/* The same for systems of one device and for images in one directory. */
#define PROBE_MAX_SYSTEMS 8
#define PROBE_MAX_IMAGES  128

enum probe_msg {
	PROBE_IDENTITY = 1, /* struct storage_identity */
	PROBE_FIRMWARE,	    /* struct storage_firmware */
	PROBE_SYSTEM,	    /* struct storage_system */
	PROBE_IMAGE,	    /* struct storage_image */
	PROBE_SIGNATURE,    /* 1..TRUST_SIGNATURE_MAX bytes: of the file that was read */
	PROBE_SETTINGS,	    /* struct probe_settings + the file's bytes, or some of them: see probe_file_send() */
	PROBE_HEALTH,	    /* struct storage_health */
	PROBE_DONE,	    /* struct probe_done: always the last message of an orderly end */
};

enum probe_aside { PROBE_ASIDE_NO, PROBE_ASIDE_OLD, PROBE_ASIDE_BAD };

struct probe_settings {
	char name[STORE_NAME_SIZE];
	uint8_t removed; /* of a file to be saved: it is to go */
	uint8_t skipped; /* of a file that was read: what follows is why it was left out */
	uint8_t more;	 /* the file goes on in the next message */
	uint8_t aside;	 /* enum probe_aside: of a file to be saved: it gets another name, ".old" or ".bad" behind it */
	int64_t changed; /* of a file that was read: when it was written, seconds since 1970 */
};

/* A file that comes in: zeroed before the first message, and freed by probe_file_clear(). */
struct probe_file {
	struct probe_settings head; /* NAME terminated, but not more is known of it */
	char *bytes;
	size_t size;
};

/*
 * Sends HEAD and N BYTES on SOCK, in as many messages as it takes. Where SOCK does not block it waits until UNTIL
 * (loop_now_ms()). 0, -ETIMEDOUT, or -errno of proto_send().
 */
int probe_file_send(int sock, const struct probe_settings *head, const void *bytes, size_t n, uint64_t until);

/*
 * Takes BODY (N bytes) of a PROBE_SETTINGS message. 1: FILE is whole; 0: more is to come; -EBADMSG, -EFBIG for more than
 * such a file may have, -ENOMEM. What FILE was before, when it was whole, is forgotten.
 */
int probe_file_take(struct probe_file *file, const void *body, size_t n);

/* Frees what FILE has; it is as at its beginning, zeroed. */
void probe_file_clear(struct probe_file *file);

struct probe_done {
	int32_t code;	/* 0, or a positive errno: failed because of TEXT */
	char text[480]; /* the sentence; with code 0 a remark or empty */
};

#endif
