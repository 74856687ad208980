import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Kafka's own client with its defaults (acks=all, idempotent). It sends a record every 20 ms, to
 * each partition in turn, and prints "PARTITION MILLISECONDS-SINCE-1970" for each acknowledgement.
 *
 * java JavaSteadyProducer.java BOOTSTRAP TOPIC PARTITIONS
 */
public class JavaSteadyProducer {
  public static void main(String[] args) throws Exception {
    int partitions = Integer.parseInt(args[2]);
    StringSerializer text = new StringSerializer();
    // While no broker describes the topic, send() blocks. Here it may block for the whole test.
    Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "max.block.ms", 600000);
    KafkaProducer<String, String> producer = new KafkaProducer<>(settings, text, text);
    for (int n = 0; ; n++) {
      producer.send(
          new ProducerRecord<>(args[1], n % partitions, "k", "v"),
          (place, failure) -> {
            if (failure != null) return;
            System.out.println(place.partition() + " " + System.currentTimeMillis());
          });
      Thread.sleep(20);
    }
  }
}
