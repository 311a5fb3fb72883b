module dlab

go 1.19
