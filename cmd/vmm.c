/* `vmboot vmm`: the process of one virtual machine. Not for people: a launcher starts it. */
#include <fcntl.h>
#include <stdio.h>

#include "cmd.h"
#include "vmm.h"
#include "vmm_proto.h"

int cmd_vmm(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return CMD_USAGE;
	if (fcntl(VMM_CONTROL_FD, F_GETFD) < 0) {
		fprintf(stderr,
			"vmboot vmm: descriptor %d is not open. vmboot starts this role by "
			"itself; for a virtual machine in this terminal use `vmboot run`.\n",
			VMM_CONTROL_FD);
		return CMD_USAGE;
	}
	return vmm_main(VMM_CONTROL_FD);
}
