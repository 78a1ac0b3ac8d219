"""Instructions that a packet costs in packets/, counted by callgrind: a figure that no other program disturbs."""
