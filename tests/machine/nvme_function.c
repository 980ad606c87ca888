/*
 * nvme_function DEVICE CONTROLLER RESOURCE ACTION NUMBER: Virtualization Management (NVM Express 1.4, 5.22), which gives a
 * controller's queues (RESOURCE 0) and interrupts (1) to a virtual function's, and switches that on.
 */
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
	struct nvme_admin_cmd cmd = {.opcode = 0x1C};
	int fd = argc == 6 ? open(argv[1], O_RDWR) : -1;

	if (fd < 0)
		return 2;
	cmd.cdw10 = (unsigned int)(atoi(argv[2]) << 16 | atoi(argv[3]) << 8 | atoi(argv[4]));
	cmd.cdw11 = (unsigned int)atoi(argv[5]);
	if (ioctl(fd, NVME_IOCTL_ADMIN_CMD, &cmd) != 0) {
		perror("nvme_function");
		return 1;
	}
	return 0;
}
