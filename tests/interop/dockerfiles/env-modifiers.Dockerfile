FROM base
ENV V=value E=
ENV A=${V:-d} B=${E:-d} D=${U:-d} F=${V:+a} G=${U:+a} H=x${U}y
