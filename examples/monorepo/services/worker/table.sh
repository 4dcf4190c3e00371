busybox mkdir -p /usr/share/worker
number=1
while [ $number -le 100 ]; do
    echo "$number $((number * number))"
    number=$((number + 1))
done > /usr/share/worker/squares
