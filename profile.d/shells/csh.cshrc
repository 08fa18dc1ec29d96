# Read by /etc/csh.cshrc: the idle limit for tcsh, in login shells and others.
if (-r /etc/profile.d/tmout.csh) source /etc/profile.d/tmout.csh
