/* How the commands that talk to a daemon reach it. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd.h"
#include "text.h"

int cmd_connect_daemon(const char *path, int *ret_sock)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock, rc;

	if (text_copy(address.sun_path, sizeof(address.sun_path), path) < 0)
		return -ENAMETOOLONG;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	if (connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0) {
		rc = -errno;
		close(sock);
		return rc;
	}
	*ret_sock = sock;
	return 0;
}
