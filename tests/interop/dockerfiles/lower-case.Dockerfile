from base as small
run echo x > /x
env a=b
workdir /w
cmd ["x"]
