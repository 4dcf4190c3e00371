int count(int argc, char **argv);
